// Which axes a loss of a batch is summed over.
#include "backend/batch_losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend/validate.h"
#include "sluice/errors.h"

namespace sluice::backend {
namespace {

using ::testing::HasSubstr;

std::string kept(const LossSpec& loss, const Shape& output) {
  const batch_losses::Kept kept = batch_losses::kept_axes(loss, output);
  return std::string(kept.samples ? "N" : "") + (kept.positions ? "T" : "") +
         (kept.outputs ? "K" : "");
}

std::string objection_to(const LossSpec& loss, const Shape& output) {
  try {
    check_loss_fits(loss, output);
  } catch (const ShapeError& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(KeptAxesTest, AreThoseThatTheLossDoesNotName) {
  const Shape image{4, 4, 3};
  EXPECT_EQ(kept(Dice{}, image), "");
  EXPECT_EQ(kept(Dice{.axis = {1, 2, 3}}, image), "N");
  EXPECT_EQ(kept(Dice{.axis = {-1, 1, -2}}, image), "N");
  EXPECT_EQ(kept(Tversky{.axis = {0, 1, 2}}, image), "K");
  EXPECT_EQ(kept(Tversky{.axis = {-1}}, image), "NT");
  EXPECT_EQ(kept(Dice{.axis = {0}}, Shape{3}), "K");
  EXPECT_EQ(kept(Dice{.axis = {0}}, Shape{}), "");
  EXPECT_EQ(kept("mse", image), "");
}

TEST(KeptAxesTest, WhatIsNoChoiceOfAxesIsRefused) {
  const Shape image{4, 4, 3};
  EXPECT_EQ(objection_to(Dice{.axis = {4}}, image),
            "loss \"dice\": there is no axis 4; a batch of outputs [4, 4, 3] has the axes 0 (its "
            "samples) to 3");
  EXPECT_THAT(objection_to(Dice{.axis = {-5}}, image), HasSubstr("there is no axis -5"));
  EXPECT_THAT(objection_to(Dice{.axis = {3, -1}}, image), HasSubstr("the axis -1 is there twice"));
  EXPECT_THAT(objection_to(Tversky{.axis = {1, 3}}, image),
              HasSubstr("takes all axes between the samples and the last, or none of them"));
  EXPECT_THAT(objection_to(Circle{}, image), HasSubstr("expected an embedding of rank 1"));
  EXPECT_EQ(objection_to(Circle{}, Shape{3}), "nothing was thrown");
}

}  // namespace
}  // namespace sluice::backend
