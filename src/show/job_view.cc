#include "show/job_view.h"

#include <algorithm>
#include <ctime>
#include <future>
#include <utility>
#include <variant>

#include "core/log.h"

namespace sluice::show {
namespace {

// Starting up takes a moment and needs no words.
constexpr core::Duration kStarting = std::chrono::seconds(2);
// Nor does a wait that is over sooner; and several come together.
constexpr core::Duration kSettling = std::chrono::seconds(1);
// A wait that lasts is said again after this time, then after three times as long, but at least
// every so often: whoever comes to the terminal later shall see it.
constexpr core::Duration kSayAgain = std::chrono::seconds(10);
constexpr core::Duration kSayAtLeastEvery = std::chrono::minutes(10);

// "14:02:55".
std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[16];
  return {text, std::strftime(text, sizeof text, "%H:%M:%S", &parts)};
}

}  // namespace

JobView::JobView(core::World& world, const ShownJob& job, Evaluate evaluate)
    : world_(world),
      job_(job),
      evaluate_(std::move(evaluate)),
      pulled_(evaluate_ ? job.parameters : 0),
      view_(ProgressView::style_for(job.verbose), job.epochs, job.records, world.now()),
      epoch_start_(world.now()),
      watch_(job.chance, job.strides),
      evaluating_(world.make_strand("evaluate")),
      showing_(world.make_strand("show")) {
  say_waits_in(kStarting);
}

JobView::~JobView() {
  evaluating_->close();
  showing_->close();
}

// Joining and leaving is daily business; a death is not.
class JobView::Show {
 public:
  Show(JobView& view, const driver::JobEvent& event) : view_(view), event_(event) {}

  void operator()(const driver::MemberJoined&) { coming_or_going(); }
  void operator()(const driver::ServerFound&) { say(); }
  void operator()(const driver::LeaseGranted&) {
    view_.begin(event_.at);
    daily();
  }
  void operator()(const driver::LeaseFinished&) { daily(); }
  void operator()(const driver::LeaseCut&) { daily(); }
  void operator()(const driver::Straggler&) { say(); }
  void operator()(const driver::WorkersWanted&) { daily(); }
  void operator()(const driver::ServersWanted&) { daily(); }
  void operator()(const driver::ServersKept&) { say(); }
  void operator()(const driver::ServersChanged&) { say(); }
  void operator()(const driver::GainChanged&) { say(); }
  void operator()(const driver::TrainingStarted&) { daily(); }
  void operator()(const driver::JobStopping&) { daily(); }
  void operator()(const driver::JobEnding&) {
    view_.ending_ = true;
    daily();
  }
  void operator()(const driver::JoinRefused&) { say(); }
  void operator()(const driver::MemberEnded& ended) {
    using How = driver::MemberEnded::How;
    ended.how == How::kLeft || ended.how == How::kDrained ? coming_or_going() : say();
  }
  void operator()(const driver::WaitsFor& waits) { view_.show(waits); }
  void operator()(const driver::JobChanged&) { say(); }
  void operator()(const driver::Progress& progress) { view_.show(progress, event_.at); }
  void operator()(const driver::EpochEnded& ended) { view_.show(ended, event_.at); }

 private:
  void daily() {
    if (view_.job_.verbose >= 2) say();
  }
  void coming_or_going() { view_.job_.members_come && !view_.ending_ ? say() : daily(); }
  void say() { view_.say(to_text(event_)); }

  JobView& view_;
  const driver::JobEvent& event_;
};

void JobView::on_event(const driver::JobEvent& event) {
  std::lock_guard lock(mutex_);
  if (!std::holds_alternative<driver::Progress>(event.what)) {
    newest_progress_ = nullptr;
    showing_->post([this, event] { std::visit(Show(*this, event), event.what); });
  } else if (newest_progress_ != nullptr) {
    *newest_progress_ = event;
  } else {
    newest_progress_ = std::make_shared<driver::JobEvent>(event);
    showing_->post([this, progress = newest_progress_] { show_newest(progress); });
  }
}

void JobView::show_newest(const std::shared_ptr<driver::JobEvent>& progress) {
  driver::JobEvent event;
  {
    std::lock_guard lock(mutex_);
    event = std::move(*progress);
    if (newest_progress_ == progress) newest_progress_ = nullptr;
  }
  std::visit(Show(*this, event), event.what);
}

void JobView::message(const std::string& line) {
  showing_->post([this, line] { say(line); });
}

void JobView::say(const std::string& line) {
  view_.message(job_.members_come ? time_of_day() + " " + line : line);
}

// Until then the job has only waited for members.
void JobView::begin(core::TimePoint at) {
  if (std::exchange(begun_, true)) return;
  epoch_start_ = at;
  view_.begin(at);
}

void JobView::show(const driver::Progress& progress, core::TimePoint at) {
  // Workers are in different epochs; the bar is of the first that is not complete.
  int epoch = 0;
  for (const auto& sums : progress.epochs) {
    if (sums.samples == job_.records) epoch = std::max(epoch, sums.epoch + 1);
  }
  if (epoch * job_.records >= progress.total_samples) return;
  wire::EpochMetrics current{.epoch = epoch};
  for (const auto& sums : progress.epochs) {
    if (sums.epoch == epoch) current = sums;
  }
  view_.update(epoch, current.samples, progress.samples, job_.metrics_of(current), at);
}

void JobView::show(const driver::WaitsFor& waits) {
  waits_ = waits;
  if (!settling_) say_waits_in(kSettling);
}

void JobView::say_waits_in(core::Duration time) {
  settling_ = true;
  showing_->at(world_.now() + time, [this] { say_waits(); });
}

void JobView::say_waits() {
  settling_ = false;
  if (waits_.whom == said_) return;
  said_ = waits_.whom;
  if (said_.empty()) return;
  say(to_text(waits_, world_.now()));
  say_waits_again_in(kSayAgain);
}

void JobView::say_waits_again_in(core::Duration time) {
  say_again_at_ = world_.now() + time;
  showing_->at(say_again_at_, [this, at = say_again_at_, time] {
    // Another wait, or none, has taken its place, or will in a moment.
    if (at != say_again_at_ || said_.empty() || waits_.whom != said_) return;
    say(to_text(waits_, world_.now()));
    say_waits_again_in(std::min(3 * time, kSayAtLeastEvery));
  });
}

// --- Epochs ---

void JobView::show(const driver::EpochEnded& ended, core::TimePoint at) {
  ended_.push_back({ended.metrics.epoch, job_.metrics_of(ended.metrics), at});
  if (!evaluate_) {
    show_epochs_until(ended.metrics.epoch, std::nullopt);
  } else if (!validating_) {
    validate_next();
  }
}

// Epochs of asynchronous workers may end together. The parameters are then the newest one's: the
// others have no validation.
void JobView::validate_next() {
  validating_ = true;
  const int epoch = ended_.back().epoch;
  pull_(pulled_.span(), [this, epoch](const Status& pulled) {
    if (!pulled.ok()) return showing_->post([this, epoch, pulled] { not_pulled(epoch, pulled); });
    evaluating_->post([this, epoch] {
      const auto metrics = evaluate(pulled_.span());
      showing_->post([this, epoch, metrics] { evaluated(epoch, metrics); });
    });
  });
}

// The job has ended, and finish() has the final parameters; or the next epoch's end tries again.
void JobView::not_pulled(int epoch, const Status& why) {
  SLUICE_LOG(debug, "no validation of epoch {} yet: {}", epoch + 1, why.message());
  validating_ = false;
  if (when_shown_) std::exchange(when_shown_, nullptr)();
}

// What fails here (a layer of the program's own, a device) must not cost the training.
std::optional<Metrics> JobView::evaluate(std::span<const float> parameters) {
  try {
    return evaluate_(parameters);
  } catch (const std::exception& error) {
    SLUICE_LOG(error, "no validation figures: {}", error.what());
    return std::nullopt;
  }
}

void JobView::evaluated(int epoch, const std::optional<Metrics>& validation) {
  validating_ = false;
  show_epochs_until(epoch, validation);
  if (when_shown_) return std::exchange(when_shown_, nullptr)();
  if (!ended_.empty()) validate_next();
}

void JobView::show_epochs_until(int epoch, const std::optional<Metrics>& validation) {
  while (!ended_.empty() && ended_.front().epoch <= epoch) {
    const EndedEpoch ended = ended_.front();
    ended_.erase(ended_.begin());
    show_epoch(ended, ended.epoch == epoch ? validation : std::nullopt);
  }
}

void JobView::show_epoch(const EndedEpoch& ended, const std::optional<Metrics>& validation) {
  EpochHistory entry;
  entry.train = ended.metrics;
  entry.validation = validation;
  entry.seconds = core::to_seconds(ended.at - epoch_start_);
  epoch_start_ = ended.at;
  const int number = ended.epoch + 1;
  entry.died = watch_.is_dead(number, entry.train);
  const auto died = watch_.ended(number, entry.train);
  history_.push_back(entry);
  if (job_.on_epoch) job_.on_epoch(entry, static_cast<int>(history_.size()));
  view_.epoch_end(ended.epoch, ended.metrics, validation, ended.at);
  if (died) view_.warn(died->line());
}

std::vector<EpochHistory> JobView::finish(std::span<const float> parameters) {
  std::promise<std::vector<EpochHistory>> finished;
  const auto conclude = [&] {
    if (!ended_.empty() && evaluate_ && !parameters.empty()) {
      show_epochs_until(ended_.back().epoch, evaluate(parameters));
    }
    finished.set_value(std::move(history_));
  };
  showing_->post([&] {
    if (validating_) {
      when_shown_ = conclude;
    } else {
      conclude();
    }
  });
  return finished.get_future().get();
}

}  // namespace sluice::show
