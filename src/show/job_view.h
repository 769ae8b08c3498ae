// Shows a job to the person who runs it, and evaluates after every epoch.
//
// Both on strands of their own: a terminal that takes nothing, or a long evaluation, must not keep
// the driver from deciding.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/aligned_buffer.h"
#include "core/reply.h"
#include "core/world.h"
#include "driver/job_event.h"
#include "show/divergence.h"
#include "show/progress_view.h"
#include "sluice/model.h"

namespace sluice::show {

// What there is to show.
struct ShownJob {
  int epochs = 1;
  int64_t records = 0;  // that an epoch trains
  size_t parameters = 0;
  int verbose = 1;  // 0 silent, 1 progress, 2 a line for everything
  // Told of every epoch, numbered from 1, in order, as it is shown; may be null.
  std::function<void(const EpochHistory&, int epoch)> on_epoch{};
  // Members come from elsewhere: who joined and left is told, and when.
  bool members_come = false;
  // What an epoch's sums come to.
  std::function<Metrics(const wire::EpochMetrics&)> metrics_of{};
  // For the word that is said when the network dies.
  std::optional<ChanceLevel> chance{};
  Strides strides{};
};

class JobView {
 public:
  // Reads the parameters as they are now.
  using Pull = std::function<void(std::span<float>, core::Reply<Status>)>;
  // Validates parameters. Called on one thread at a time; what it throws costs only its figures.
  using Evaluate = std::function<Metrics(std::span<const float>)>;

  // `evaluate` may be null: no validation.
  JobView(core::World& world, const ShownJob& job, Evaluate evaluate);
  ~JobView();

  // Before the first event.
  void pull_with(Pull pull) { pull_ = std::move(pull); }
  // Thread-safe, and returns at once. Of progress that has not been shown yet, only the newest is
  // kept: a terminal may take nothing for hours.
  void on_event(const driver::JobEvent& event);
  void message(const std::string& line);

  // Waits until everything is shown. With the final parameters, of a job that ended well, also
  // epochs that have not been evaluated yet are.
  std::vector<EpochHistory> finish(std::span<const float> parameters);
  // Then: whether the network was dead in the last epoch.
  const std::optional<Divergence>& divergence() const { return watch_.divergence(); }

 private:
  struct EndedEpoch {
    int epoch;
    Metrics metrics;
    core::TimePoint at;
  };
  class Show;  // what to do with each kind of event

  // On the showing strand:
  void say(const std::string& line);
  void begin(core::TimePoint at);
  void show_newest(const std::shared_ptr<driver::JobEvent>& progress);
  void show(const driver::Progress& progress, core::TimePoint at);
  void show(const driver::EpochEnded& ended, core::TimePoint at);
  void show(const driver::WaitsFor& waits);
  void say_waits_in(core::Duration time);
  void say_waits();
  void say_waits_again_in(core::Duration time);
  void validate_next();
  std::optional<Metrics> evaluate(std::span<const float> parameters);
  void evaluated(int epoch, const std::optional<Metrics>& validation);
  void not_pulled(int epoch, const Status& why);
  void show_epochs_until(int epoch, const std::optional<Metrics>& validation);
  void show_epoch(const EndedEpoch& ended, const std::optional<Metrics>& validation);

  core::World& world_;
  const ShownJob job_;
  const Evaluate evaluate_;
  core::AlignedBuffer pulled_;
  Pull pull_;

  std::mutex mutex_;
  // Progress that is to be shown, while it is the last thing in the queue. Guarded by mutex_.
  std::shared_ptr<driver::JobEvent> newest_progress_;

  // Of the showing strand:
  ProgressView view_;
  bool begun_ = false;   // somebody has something to train
  bool ending_ = false;  // everybody leaves now
  core::TimePoint epoch_start_;
  std::vector<EndedEpoch> ended_;  // not yet shown
  bool validating_ = false;
  std::vector<EpochHistory> history_;
  DivergenceWatch watch_;
  driver::WaitsFor waits_;
  std::string said_;                // whom that named when it was last said
  bool settling_ = false;           // for whom the job waits is about to be said
  core::TimePoint say_again_at_{};  // if it still waits by then
  std::function<void()> when_shown_;

  const std::shared_ptr<core::Strand> evaluating_;
  const std::shared_ptr<core::Strand> showing_;
};

}  // namespace sluice::show
