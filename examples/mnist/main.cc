// The MNIST CNN of Dist-Keras' example, trained across processes: one parameter server and three
// workers, which are this very program started again.
#include <sluice/sluice.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>

using namespace sluice;

int main(int argc, char** argv) try {
  sluice::init(argc, argv);  // worker processes never get past this line
  const int epochs = argc > 1 ? std::atoi(argv[1]) : 5;

  Sequential model;
  model.add(Input({28, 28, 1}));
  model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
  model.add(Conv2D({.filters = 32, .kernel_size = {3, 3}, .activation = "relu"}));
  model.add(MaxPooling2D({.pool_size = {2, 2}}));
  model.add(Flatten());
  model.add(Dense({.units = 225, .activation = "relu"}));
  model.add(Dense({.units = 10, .activation = "softmax"}));
  std::cout << model.summary();

  const auto [train, test] = mnist();
  const Adag trainer({.workers = 3,
                      .batch_size = 16,
                      .window = 5,
                      .epochs = epochs,
                      .optimizer = "adam",
                      .loss = "categorical_crossentropy"});
  const TrainingReport report = trainer.train(model, train);
  const Metrics result = model.evaluate(test);

  std::printf("Training time: %.2f s\n", report.training_time_s);
  std::printf("Accuracy: %.4f\n", result.accuracy);
  std::printf("Number of parameter server updates: %lld\n",
              static_cast<long long>(report.server_updates));
  model.save("mnist.keras");

  // The same in this process alone, without any server, would be:
  //   model.fit(train, {.batch_size = 16, .epochs = 5});
} catch (const std::exception& error) {
  std::fprintf(stderr, "mnist: %s\n", error.what());
  return 1;
}
