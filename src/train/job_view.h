// Shows a job to the person who runs it, and evaluates after every epoch.
//
// Both on strands of their own: a terminal that takes nothing, or a long evaluation, must not keep
// the driver from deciding.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/reply.h"
#include "core/world.h"
#include "data/records.h"
#include "driver/job_event.h"
#include "sluice/model.h"
#include "train/evaluation.h"
#include "train/job_config.h"
#include "train/progress_view.h"

namespace sluice::train {

class JobView {
 public:
  // Reads the parameters as they are now.
  using Pull = std::function<void(std::span<float>, core::Reply<Status>)>;

  // `validation` may be null. Throws as Evaluator.
  JobView(core::World& world, const JobConfig& config, const Sequential& model, int64_t records,
          std::shared_ptr<const data::Records> validation, const EvaluateOptions& options);
  ~JobView();

  // Before the first event.
  void pull_with(Pull pull) { pull_ = std::move(pull); }
  // Thread-safe, and returns at once.
  void on_event(const driver::JobEvent& event);
  void message(const std::string& line);

  // Waits until everything is shown. With the final parameters, of a job that ended well, also
  // epochs that have not been evaluated yet are.
  std::vector<EpochHistory> finish(std::span<const float> parameters);

 private:
  struct EndedEpoch {
    int epoch;
    ShownMetrics metrics;
    core::TimePoint at;
  };
  class Show;  // what to do with each kind of event

  // On the showing strand:
  void show(const driver::Progress& progress, core::TimePoint at);
  void show(const driver::EpochEnded& ended, core::TimePoint at);
  void show(const driver::WaitsFor& waits);
  void say_waits_in(core::Duration time);
  void say_waits();
  void validate_next();
  std::optional<Metrics> evaluate(std::span<const float> parameters);
  void evaluated(int epoch, std::optional<Metrics> validation);
  void not_pulled(int epoch, const Status& why);
  void show_epochs_until(int epoch, std::optional<Metrics> validation);
  void show_epoch(const EndedEpoch& ended, std::optional<Metrics> validation);

  core::World& world_;
  const int verbose_;
  const int64_t records_;
  const std::shared_ptr<const data::Records> validation_;
  std::optional<Evaluator> evaluator_;  // of the evaluating strand
  core::AlignedBuffer pulled_;
  Pull pull_;

  // Of the showing strand:
  ProgressView view_;
  core::TimePoint epoch_start_;
  std::vector<EndedEpoch> ended_;  // not yet shown
  bool validating_ = false;
  std::vector<EpochHistory> history_;
  std::string waiting_for_;
  std::string said_;
  bool settling_ = false;  // for whom the job waits is about to be said
  std::function<void()> when_shown_;

  const std::shared_ptr<core::Strand> evaluating_;
  const std::shared_ptr<core::Strand> showing_;
};

}  // namespace sluice::train
