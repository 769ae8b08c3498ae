// A graph of layers with two outputs, each with a loss of its own, and one layer that is not
// trained: of small pictures of a bright spot, in which quarter the spot is and how bright.
#include <sluice/sluice.h>

#include <cstdio>
#include <exception>
#include <random>
#include <vector>

using namespace sluice;

constexpr int kSize = 8;  // a picture's rows and columns

struct Pictures {
  std::vector<float> pixels, quarter, brightness;

  explicit Pictures(int count) : pixels(static_cast<size_t>(count) * kSize * kSize) {
    std::mt19937 random(7);
    std::uniform_real_distribution<float> noise(0, 0.3f), bright(0.5f, 2);
    for (float& pixel : pixels) pixel = noise(random);
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      const size_t row = random() % kSize, column = random() % kSize;
      brightness.push_back(bright(random));
      quarter.push_back(static_cast<float>(row / (kSize / 2) * 2 + column / (kSize / 2)));
      pixels[(i * kSize + row) * kSize + column] += brightness.back();
    }
  }
};

int main(int argc, char** argv) try {
  sluice::init(argc, argv);

  const Input picture({kSize, kSize, 1});
  const auto edges = Conv2D({.filters = 8,
                             .kernel_size = {3, 3},
                             .padding = "same",
                             .activation = "relu",
                             .name = "edges"})(picture);
  const auto more = Conv2D({.filters = 8, .kernel_size = {3, 3}, .padding = "same"})(edges);
  const auto sum = ReLU()(BatchNormalization()(Add()({edges, more})));
  const auto flat = Flatten()(sum);
  Model model({picture}, {Dense({.units = 4, .activation = "softmax", .name = "quarter"})(flat),
                          Dense({.units = 1, .name = "brightness"})(GlobalMaxPooling2D()(sum))});

  // Weights by name; "edges" then stays as it is.
  std::vector<float> kernel = model.get_weights("edges/kernel");
  for (float& weight : kernel) weight *= 2;
  model.set_weights("edges/kernel", kernel);
  model.get_layer("edges").set_trainable(false);

  const Pictures pictures(4000);
  const auto [train, test] =
      Dataset::from_arrays({{pictures.pixels, {kSize, kSize, 1}}},
                           {{pictures.quarter, {}}, {pictures.brightness, {1}}})
          .split(0.25);
  const std::map<std::string, LossSpec> losses = {{"quarter", "sparse_categorical_crossentropy"},
                                                  {"brightness", "mse"}};
  const std::vector<std::string> metrics = {"accuracy", "brightness:mae"};
  model.fit(train, {.batch_size = 16,
                    .epochs = 4,
                    .losses = losses,
                    .loss_weights = {{"brightness", 0.5}},
                    .metrics = metrics});

  const Metrics result = model.evaluate(test, {.losses = losses, .metrics = metrics});
  std::printf("Accuracy of the quarter: %.4f, error of the brightness: %.4f\n",
              result.value("quarter_accuracy"), result.value("brightness_mae"));
} catch (const std::exception& error) {
  std::fprintf(stderr, "two_outputs: %s\n", error.what());
  return 1;
}
