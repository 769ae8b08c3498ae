// ResNet-20 (He et al., 2015, section 4.2) on colour pictures of 32 x 32, trained across processes.
//
//   example_resnet FOLDER [EPOCHS]
//
// FOLDER has CIFAR-10's binary files (https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz),
// data_batch_1.bin to data_batch_5.bin and test_batch.bin, or pictures: train/CLASS/*.jpg and
// test/CLASS/*.jpg, of any size, also PNG.
#include <sluice/sluice.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

using namespace sluice;
namespace fs = std::filesystem;

constexpr int kSize = 32;
constexpr size_t kPlane = kSize * kSize;

struct Pictures {
  std::vector<float> pixels;
  std::vector<int32_t> labels;
  std::vector<std::string> classes;

  Dataset dataset() const {
    return Dataset::from_arrays(pixels, labels, {kSize, kSize, 3},
                                static_cast<int>(classes.size()));
  }
};

// A record is a byte for the class, and then a plane of bytes for each colour.
void read_cifar(const fs::path& file, Pictures& pictures) {
  std::ifstream in(file, std::ios::binary);
  std::vector<char> record(1 + 3 * kPlane);
  while (in.read(record.data(), static_cast<std::streamsize>(record.size()))) {
    pictures.labels.push_back(record[0]);
    for (size_t i = 0; i < kPlane; ++i) {
      for (size_t color = 0; color < 3; ++color) {
        const auto byte = static_cast<unsigned char>(record[1 + color * kPlane + i]);
        pictures.pixels.push_back(static_cast<float>(byte) / 255);
      }
    }
  }
}

// A folder for each class, in the order of their names.
void read_folder(const fs::path& folder, Pictures& pictures) {
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) pictures.classes.push_back(entry.path().filename());
  }
  std::sort(pictures.classes.begin(), pictures.classes.end());
  for (size_t label = 0; label < pictures.classes.size(); ++label) {
    for (const auto& file : fs::directory_iterator(folder / pictures.classes[label])) {
      for (const float value : read_picture(file.path(), {kSize, kSize, 3})) {
        pictures.pixels.push_back(value / 255);
      }
      pictures.labels.push_back(static_cast<int32_t>(label));
    }
  }
}

struct Sets {
  Pictures train, test;

  explicit Sets(const fs::path& folder) {
    if (fs::exists(folder / "test_batch.bin")) {
      for (int i = 1; i <= 5; ++i) {
        read_cifar(folder / ("data_batch_" + std::to_string(i) + ".bin"), train);
      }
      read_cifar(folder / "test_batch.bin", test);
      train.classes = {"airplane", "automobile", "bird",  "cat",  "deer",
                       "dog",      "frog",       "horse", "ship", "truck"};
      test.classes = train.classes;
    } else {
      read_folder(folder / "train", train);
      read_folder(folder / "test", test);
    }
  }
};

SymbolicTensor convolved(const SymbolicTensor& x, int64_t filters, int64_t stride, int64_t kernel) {
  return BatchNormalization()(Conv2D({.filters = filters,
                                      .kernel_size = {kernel, kernel},
                                      .strides = {stride, stride},
                                      .padding = "same",
                                      .use_bias = false,
                                      .kernel_initializer = "he_normal"})(x));
}

// Three stages of three blocks, each of two convolutions beside a way around them.
Model resnet20(int classes) {
  const Input picture({kSize, kSize, 3});
  SymbolicTensor x = ReLU()(convolved(picture, 16, 1, 3));
  for (const int64_t filters : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      const bool narrows = filters > 16 && block == 0;
      const int64_t stride = narrows ? 2 : 1;
      const SymbolicTensor inside = ReLU()(convolved(x, filters, stride, 3));
      const SymbolicTensor around = narrows ? convolved(x, filters, stride, 1) : x;
      x = ReLU()(Add()({convolved(inside, filters, 1, 3), around}));
    }
  }
  const SymbolicTensor features = GlobalAveragePooling2D()(x);
  return Model(picture, Dense({.units = classes, .activation = "softmax"})(features), "resnet20");
}

int main(int argc, char** argv) try {
  sluice::init(argc, argv);  // worker processes never get past this line
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER [EPOCHS]\n", argv[0]);
    return 2;
  }
  const int epochs = argc > 2 ? std::atoi(argv[2]) : 10;
  const Sets sets{fs::path(argv[1])};
  const Dataset train = sets.train.dataset(), test = sets.test.dataset();
  Model model = resnet20(static_cast<int>(sets.train.classes.size()));
  std::cout << model.summary();
  std::printf("%lld pictures to train, %lld to test\n", static_cast<long long>(train.size()),
              static_cast<long long>(test.size()));

  const Adag trainer({.workers = 2,
                      .batch_size = 32,
                      .window = 5,
                      .epochs = epochs,
                      .optimizer = Adam({.learning_rate = 0.002f})});
  const TrainingReport report = trainer.train(model, train);
  std::printf("Training time: %.1f s\nAccuracy: %.4f\n", report.training_time_s,
              model.evaluate(test).accuracy);

  // Bytes of pictures are divided by 255, as above: `sluice predict resnet20.keras photo.jpg` does
  // so from now on, and names the class.
  model.set_preprocessing(Preprocessing{
      .sample_shape = {kSize, kSize, 3}, .scale = 1.0f / 255, .class_names = sets.train.classes});
  model.save("resnet20.keras");
} catch (const std::exception& error) {
  std::fprintf(stderr, "resnet: %s\n", error.what());
  return 1;
}
