// The results of a job as JSON and as text.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/atomic_file.h"
#include "driver/job_result.h"
#include "show/divergence.h"
#include "sluice/model.h"
#include "sluice/status.h"

namespace sluice::show {

struct JobReport {
  std::string config_json;
  std::string dataset_asked;             // "mnist"
  std::string dataset;                   // what was really trained on: "mnist", "generated digits"
  std::vector<std::string> class_names;  // of the dataset, or none
  std::string model_json;
  size_t parameters = 0;
  driver::JobResult result;
  std::vector<EpochHistory> history;
  std::optional<Divergence> divergence;  // as the network was in the end
  std::optional<Metrics> test;           // none of a job that was interrupted
  std::string
      interrupted_by;  // "SIGTERM", "server 0 (pid 7 on hostb) was stopped by SIGTERM"; or ""
  // Of what took part, beside Sluice itself: {"backend": "cpu (oneDNN 2.6.3, AVX-512)", ...}.
  std::map<std::string, std::string> versions;
  double total_time_s = 0;  // the whole command
};

// Every figure of the report; see README, "The report".
std::string to_json(const JobReport& report);

// What the report's history has of an epoch, numbered from 1, as one line of JSON.
std::string to_json_line(const EpochHistory& entry, int epoch);

// Writes the JSON; as core::OutputFile::write().
Status write_report(const JobReport& report, core::OutputFile& file);

// The lines that a job that was not interrupted ends with, in the words of Dist-Keras' example.
std::string to_text(const JobReport& report);

}  // namespace sluice::show
