#include <gtest/gtest.h>

#include "tests/nn/models.h"

namespace sluice::nn {
namespace {

// golden/make_golden.py fails unless Keras 2 and Keras 3 both read this file as the same model.
TEST(KerasWriterTest, WritesTheJsonThatKeras2And3BothRead) {
  EXPECT_EQ(all_layers().to_json() + "\n", read_golden("all_layers.sluice.json"));
}

TEST(KerasWriterTest, AnUnbuiltModelHasNoInputLayer) {
  Sequential model;
  model.add(Flatten());
  EXPECT_EQ(model.to_json(),
            R"({"module":"keras","class_name":"Sequential","config":{"name":"sequential",)"
            R"("layers":[{"module":"keras.layers","class_name":"Flatten","config":)"
            R"({"name":"flatten","trainable":true,"dtype":"float32",)"
            R"("data_format":"channels_last"},"registered_name":null}]},"registered_name":null})");
}

TEST(KerasWriterTest, ASpatialDropoutHasNoTrainableWhichKeras3Refuses) {
  Sequential model;
  model.add(SpatialDropout1D({.rate = 0.5})).add(SpatialDropout2D({.rate = 0.5}));
  EXPECT_EQ(model.to_json().find("trainable"), std::string::npos) << model.to_json();
}

TEST(KerasWriterTest, TheInputsNameIsKept) {
  Sequential model;
  model.add(Input({3}, {.name = "pixels"})).add(Dense({.units = 1}));
  EXPECT_NE(model.to_json().find(R"("batch_input_shape":[null,3])"), std::string::npos);
  EXPECT_NE(model.to_json().find(R"("name":"pixels")"), std::string::npos);
}

}  // namespace
}  // namespace sluice::nn
