// The smallest program that takes something of every part of the library.
#include <sluice/sluice.h>

#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
  sluice::init(argc, argv);
  sluice::Sequential model;
  model.add(sluice::Input({2, 2, 1}));
  model.add(sluice::Flatten());
  model.add(sluice::Dense({.units = 3, .activation = "softmax"}));
  const std::vector<float> pixels = {0.1f, 0.2f, 0.3f, 0.4f};
  float sum = 0;
  for (const float probability : model.predict(pixels)) sum += probability;
  std::printf("the probabilities add up to %.3f\n", sum);
}
