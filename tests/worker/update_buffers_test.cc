#include "worker/update_buffers.h"

#include <gmock/gmock.h>

#include "core/real_world.h"

namespace sluice::worker {
namespace {

std::shared_ptr<core::AlignedBuffer> make() { return std::make_shared<core::AlignedBuffer>(16); }

TEST(UpdateBuffersTest, ABufferThatIsGivenBackIsLentAgain) {
  UpdateBuffers buffers(make);
  const float* const first = buffers.lend()->data();
  EXPECT_EQ(buffers.lend()->data(), first);
  EXPECT_EQ(buffers.size(), 1u);
}

TEST(UpdateBuffersTest, ABufferThatSomebodyReadsIsNot) {
  UpdateBuffers buffers(make);
  std::shared_ptr<const core::AlignedBuffer> sent = buffers.lend();
  const auto copy = sent;
  sent = nullptr;
  EXPECT_NE(buffers.lend()->data(), copy->data());
  EXPECT_EQ(buffers.size(), 2u);
}

TEST(UpdateBuffersTest, ABufferOutlivesThem) {
  std::shared_ptr<core::AlignedBuffer> buffer;
  {
    UpdateBuffers buffers(make);
    buffer = buffers.lend();
  }
  (*buffer)[15] = 1;
}

// For ThreadSanitizer.
TEST(UpdateBuffersTest, WhatAnotherThreadReadsIsReadBeforeItIsWrittenAgain) {
  UpdateBuffers buffers(make);
  const auto transport = core::real_world().make_strand("transport");
  for (int i = 0; i < 2000; ++i) {
    const auto buffer = buffers.lend();
    for (float& value : buffer->span()) value = static_cast<float>(i);
    transport->post([sent = std::shared_ptr<const core::AlignedBuffer>(buffer), i] {
      EXPECT_EQ((*sent)[7], static_cast<float>(i));
    });
  }
  transport->close();
}

}  // namespace
}  // namespace sluice::worker
