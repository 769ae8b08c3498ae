// A layer of one's own, used in every worker process: Swish, y = x sigmoid(beta x) with a trained
// beta (Ramachandran et al., 2017).
#include <sluice/sluice.h>

#include <cmath>
#include <cstdio>
#include <exception>

using namespace sluice;

class Swish final : public CustomLayer {
 public:
  std::string class_name() const override { return "Swish"; }
  std::unique_ptr<Layer> clone() const override { return std::make_unique<Swish>(*this); }
  std::vector<WeightSpec> weights(const Shape&) const override {
    return {{.name = "beta", .shape = {1}, .initializer = "ones"}};
  }

  void forward(const Forward& a) const override {
    const float beta = a.weights[0][0];
    for (size_t i = 0; i < a.x.size(); ++i) a.y[i] = a.x[i] * sigmoid(beta * a.x[i]);
  }

  // dy/dx = s + beta x s (1 - s),   dy/dbeta = x^2 s (1 - s),   s = sigmoid(beta x)
  void backward(const Backward& a) const override {
    const float beta = a.weights[0][0];
    double dbeta = 0;
    for (size_t i = 0; i < a.x.size(); ++i) {
      const float x = a.x[i];
      const float s = sigmoid(beta * x);
      if (!a.dx.empty()) a.dx[i] = a.dy[i] * (s + beta * x * s * (1 - s));
      dbeta += a.dy[i] * x * x * s * (1 - s);
    }
    a.dweights[0][0] = static_cast<float>(dbeta);
  }

 private:
  static float sigmoid(float z) { return 1 / (1 + std::exp(-z)); }
};

int main(int argc, char** argv) try {
  register_layer("Swish", [](const Config&) { return std::make_unique<Swish>(); });
  sluice::init(argc, argv);

  Sequential model;
  model.add(Input({28, 28, 1}))
      .add(Flatten())
      .add(Dense({.units = 64}))
      .add(Swish())
      .add(Dense({.units = 10, .activation = "softmax"}));

  const auto [train, test] = generated_digits(6000, 1000);
  const Adag trainer({.workers = 2, .batch_size = 16, .epochs = 3});
  const TrainingReport report = trainer.train(model, train);
  std::printf("Accuracy: %.4f after %lld updates\n", model.evaluate(test).accuracy,
              static_cast<long long>(report.server_updates));
} catch (const std::exception& error) {
  std::fprintf(stderr, "custom_layer: %s\n", error.what());
  return 1;
}
