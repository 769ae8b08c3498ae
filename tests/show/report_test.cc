#include "show/report.h"

#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>

namespace sluice::show {
namespace {

using testing::HasSubstr;

JobReport sample_report() {
  JobReport report;
  report.dataset = "mnist";
  report.dataset_asked = "mnist";
  report.config_json = R"({"workers": 3})";
  report.model_json = R"({"class_name": "Sequential"})";
  report.parameters = 1048853;
  report.versions = {{"backend", "cpu (oneDNN 2.6.3)"}, {"grpc", "1.51.1"}};
  report.test = {0.0291, 0.9911};
  driver::JobResult& result = report.result;
  result.training_time_s = 50;
  result.server_updates = 3750;
  result.samples_trained = 300000;
  result.staleness_mean = 1.99;
  result.staleness_max = 7;
  result.workers = {
      {0, 1250, 100000, 1, {{"pid 7 on a", "left", true}}, 1 << 27},
      {1, 2500, 200000, 2, {{"pid 8 on a", "was killed by signal 9 (Killed)", false}}, 1 << 27}};
  result.servers = {{"unix:/s", 1, 2.5, 1 << 26}};
  report.history = {{{0.2, 0.94}, Metrics{0.1, 0.97}, 10}, {{0.1, 0.98}, {}, 11}};
  return report;
}

TEST(ReportTest, JsonHasEveryFigure) {
  const auto json = nlohmann::json::parse(to_json(sample_report()));
  EXPECT_EQ(json["training_time_s"], 50);
  EXPECT_EQ(json["server_updates"], 3750);
  EXPECT_EQ(json["samples_trained"], 300000);
  EXPECT_EQ(json["samples_per_second"], 6000);
  EXPECT_EQ(json["staleness"]["max"], 7);
  EXPECT_EQ(json["test_accuracy"], 0.9911);
  EXPECT_EQ(json["parameters"], 1048853);
  EXPECT_EQ(json["workers"][1]["updates"], 2500);
  EXPECT_EQ(json["history"][0]["epoch"], 1);  // as the screen counts them
  EXPECT_EQ(json["history"][1]["epoch"], 2);
  EXPECT_EQ(json["history"][0]["val_accuracy"], 0.97);
  EXPECT_FALSE(json["history"][1].contains("val_accuracy"));
  EXPECT_EQ(json["config"]["workers"], 3);
  EXPECT_EQ(json["model"]["class_name"], "Sequential");
  for (const char* name : {"sluice", "backend", "grpc", "compiler"}) {
    EXPECT_TRUE(json["versions"].contains(name)) << name;
  }
}

TEST(ReportTest, ANetworkThatHasDiedIsInItWithCauseAndRemedy) {
  JobReport report = sample_report();
  EXPECT_FALSE(nlohmann::json::parse(to_json(report)).contains("died"));
  report.history[1].died = true;
  report.divergence = Divergence{2, 2.31, ChanceLevel{2.30, 0.11}, "it has died", "train less"};
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["died"]["epoch"], 2);
  EXPECT_EQ(json["died"]["loss"], 2.31);
  EXPECT_EQ(json["died"]["loss_of_guessing"], 2.30);
  EXPECT_EQ(json["died"]["what"], "it has died");
  EXPECT_EQ(json["died"]["remedy"], "train less");
  EXPECT_FALSE(json["history"][0].contains("died"));
  EXPECT_EQ(json["history"][1]["died"], true);
  EXPECT_THAT(to_text(report), HasSubstr("warning: it has died; train less\n"));
}

TEST(ReportTest, WhatPeopleChangedIsInIt) {
  JobReport report = sample_report();
  EXPECT_FALSE(nlohmann::json::parse(to_json(report)).contains("changes"));
  report.result.changes = {{12.5, "learning-rate", "0.001", "0.0005", "sluice ctl (pid 9 on a)"}};
  const auto json = nlohmann::json::parse(to_json(report));
  ASSERT_EQ(json["changes"].size(), 1u);
  const auto& change = json["changes"][0];
  EXPECT_EQ(change["at_s"], 12.5);
  EXPECT_EQ(change["knob"], "learning-rate");
  EXPECT_EQ(change["from"], "0.001");
  EXPECT_EQ(change["to"], "0.0005");
  EXPECT_EQ(change["by"], "sluice ctl (pid 9 on a)");
}

TEST(ReportTest, ChangesOfTheGainAreInIt) {
  JobReport report = sample_report();
  EXPECT_FALSE(nlohmann::json::parse(to_json(report)).contains("gains"));
  report.result.gains = {{12.5, 4, 2, 0.5}};
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["gains"],
            nlohmann::json::parse(R"([{"at_s": 12.5, "workers": 4, "gain": 2, "scale": 0.5}])"));
}

TEST(ReportTest, EveryMetricIsInIt) {
  JobReport report = sample_report();
  report.test->values = {{"auc", 0.98765}};
  report.test->matrices = {{"confusion_matrix", 2, {1200, 3, 4, 5}}};
  report.history[0].train.values = {{"auc", 0.5}};
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["test_auc"], 0.98765);
  EXPECT_EQ(json["test_confusion_matrix"], nlohmann::json::parse("[[1200, 3], [4, 5]]"));
  EXPECT_EQ(json["history"][0]["auc"], 0.5);
  EXPECT_THAT(to_text(report),
              HasSubstr("loss 0.0291)\n"
                        "  auc: 0.9877\n"
                        "confusion_matrix (a row for each class, a column for each prediction):\n"
                        "        0     1\n"
                        "  0 1,200     3\n"
                        "  1     4     5\n"));
  report.class_names = {"cat", "dog"};
  EXPECT_THAT(to_text(report), HasSubstr("  0 1,200     3  cat\n"
                                         "  1     4     5  dog\n"));
  report.class_names = {"cat", "dog", "owl"};  // of another output
  EXPECT_THAT(to_text(report), HasSubstr("  1     4     5\n"));
}

TEST(ReportTest, TextSpeaksTheWordsOfTheOriginal) {
  const std::string text = to_text(sample_report());
  EXPECT_THAT(text, HasSubstr("Training time: 50.00 s (300,000 samples, 6,000 samples/s)\n"));
  EXPECT_THAT(text, HasSubstr("Accuracy: 0.9911 (test set of mnist, loss 0.0291)\n"));
  EXPECT_THAT(text, HasSubstr("Number of parameter server updates: 3750\n"));
  EXPECT_THAT(text, HasSubstr("Staleness: mean 1.99, maximum 7\n"));
  EXPECT_THAT(text, HasSubstr("Worker 1: 2,500 updates, 200,000 samples, 2 lease(s)"));
  EXPECT_THAT(text, HasSubstr("pid 8 on a: was killed by signal 9"));
  EXPECT_THAT(text, testing::Not(HasSubstr("pid 7 on a: left")));
}

TEST(ReportTest, AStragglerIsNamed) {
  JobReport report = sample_report();
  EXPECT_THAT(to_text(report), testing::Not(HasSubstr("slower")));
  report.result.workers[1].times_slower = 9.96;
  report.result.workers[1].given = 57;
  EXPECT_THAT(to_text(report), HasSubstr("\n  10.0 times slower than the others; 57 pushes of its "
                                         "leases made by others\n"));
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_EQ(json["workers"][0]["times_slower"], 1);
  EXPECT_EQ(json["workers"][1]["times_slower"], 9.96);
  EXPECT_EQ(json["workers"][1]["pushes_given"], 57);
  EXPECT_EQ(json["workers"][1]["leases"], 2);
}

TEST(ReportTest, TextSaysWhenTheDatasetWasNotTheOneAskedFor) {
  JobReport report = sample_report();
  report.dataset_asked = "fashion-mnist";
  report.dataset = "generated digits";
  EXPECT_THAT(to_text(report), HasSubstr("(generated digits, since fashion_mnist was not found, "));
  report.dataset_asked = "digits";
  EXPECT_THAT(to_text(report), HasSubstr("(test set of generated digits, "));
}

TEST(ReportTest, LossThatIsNotANumberHasNoSign) {
  JobReport report = sample_report();
  report.test->loss = -std::nan("");
  EXPECT_THAT(to_text(report), HasSubstr(", loss nan)\n"));
}

TEST(ReportTest, WhereNumbersArePredictedThereIsNoAccuracy) {
  JobReport report = sample_report();
  report.test->accuracy = report.history[0].train.accuracy = std::nan("");
  report.history[0].validation->accuracy = std::nan("");
  EXPECT_THAT(to_text(report), HasSubstr("Loss: 0.0291 (test set of mnist)\n"));
  EXPECT_THAT(to_text(report), testing::Not(HasSubstr("Accuracy")));
  const auto json = nlohmann::json::parse(to_json(report));
  EXPECT_FALSE(json.contains("test_accuracy"));
  EXPECT_FALSE(json["history"][0].contains("accuracy"));
  EXPECT_FALSE(json["history"][0].contains("val_accuracy"));
  EXPECT_EQ(json["history"][0]["val_loss"], 0.1);
}

TEST(ReportTest, PlaceThatCannotBeWrittenIsNamed) {
  core::OutputFile file("/nowhere/report.json");
  const Status status = write_report(sample_report(), file);
  EXPECT_THAT(status.message(), HasSubstr("/nowhere/report.json"));
}

}  // namespace
}  // namespace sluice::show
