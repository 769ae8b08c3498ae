// The results of a job as JSON and as text.
#pragma once

#include <string>

#include "sluice/model.h"
#include "sluice/status.h"
#include "train/distributed_job.h"

namespace sluice::train {

struct JobReport {
  JobConfig config;
  std::string dataset;  // what was really trained on: "mnist", "generated digits"
  std::string model_json;
  size_t parameters = 0;
  JobOutcome outcome;
  Metrics test;
  std::string backend;      // that evaluated: "cpu (oneDNN 2.6.3, AVX-512)"
  double total_time_s = 0;  // the whole command
};

// Every figure of the report; see README, "The report".
std::string to_json(const JobReport& report);

// Writes the JSON to a temporary file beside `path` and renames it.
Status write_report(const JobReport& report, const std::string& path);

// The lines that the command ends with, in the words of Dist-Keras' example.
std::string to_text(const JobReport& report);

}  // namespace sluice::train
