#include "driver/job_status.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace sluice::driver {
namespace {

// Of everything something.
JobStatus sample() {
  JobStatus status;
  status.version = "0.1.0";
  status.job.number = "00ff";
  status.job.phase = "training";
  status.job.model = "mnist_cnn";
  status.job.parameters = int64_t{1} << 40;
  status.job.training_s = 1.2345678;
  status.waits = {"worker 1", 10, 20, "start it"};
  status.members = {{.role = "worker", .index = 1, .host = "hosta", .pid = 7, .state = "silent"}};
  status.leases = {{.partition = 2, .worker = 1, .first_push = 3, .last_push = 9}};
  status.gate.rounds = true;
  status.gate.workers = {{.worker = 1, .windows = 17, .answer_held_s = 0.5}};
  status.gain = {0.2, 30, 6, true, 0.166666};
  status.servers = {{.server = 0, .address = "a:1", .shards = 2, .staleness_mean = 1.5}};
  status.rates = {5, 1000.25, 12, 1e9};
  status.epochs = {{1, 600, 600, 0.25}, {2, 10, 600, std::nan("")}};
  status.knobs = {{"learning-rate", "0.001", "of the optimizer"}};
  status.changes = {{"learning-rate", "0.01", "0.001", "sluice ctl (pid 9 on a)", 4}};
  return status;
}

TEST(JobStatusTest, IsTheSameBehindTheWire) {
  const std::string json = to_json(sample());
  const Result<JobStatus> back = parse_job_status(json);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(to_json(*back), json);
  EXPECT_EQ(back->job.parameters, int64_t{1} << 40);
  EXPECT_EQ(back->job.training_s, 1.235) << "to the millisecond";
  EXPECT_TRUE(std::isnan(back->epochs[1].loss));
}

TEST(JobStatusTest, NamesAreThoseOfTheFields) {
  const auto json = nlohmann::json::parse(to_json(sample()));
  EXPECT_EQ(json["job"]["phase"], "training");
  EXPECT_EQ(json["waits"]["whom"], "worker 1");
  EXPECT_EQ(json["members"][0]["state"], "silent");
  EXPECT_EQ(json["leases"][0]["first_push"], 3);
  EXPECT_EQ(json["gate"]["rounds"], true);
  EXPECT_EQ(json["gate"]["workers"][0]["windows"], 17);
  EXPECT_EQ(json["gain"]["scale"], 0.167);
  EXPECT_EQ(json["servers"][0]["staleness_mean"], 1.5);
  EXPECT_EQ(json["rates"]["samples_per_s"], 1000.25);
  EXPECT_TRUE(json["epochs"][1]["loss"].is_null()) << "JSON has no NaN";
  EXPECT_EQ(json["knobs"][0]["value"], "0.001");
  EXPECT_EQ(json["changes"][0]["ago_s"], 4);
}

TEST(JobStatusTest, OneOfAnotherVersionIsReadAsFarAsItIsKnown) {
  const auto status = parse_job_status(R"({"job": {"phase": "training", "colour": "red"},
      "moons": 3})");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->job.phase, "training");
  EXPECT_EQ(status->job.training_s, -1);
}

TEST(JobStatusTest, WhatIsNoStatusIsRefused) {
  for (const char* text :
       {"", "[]", "{}", "7", R"({"job": 7})", R"({"job": {"epochs": "x"}})",
        R"({"job": {}, "members": [7]})", R"({"job": {}, "gate": {"rounds": 1}})"}) {
    EXPECT_EQ(parse_job_status(text).status().code(), StatusCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace sluice::driver
