#include "show/job_view.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <fstream>
#include <future>
#include <mutex>
#include <sstream>

#include "core/log.h"
#include "core/real_world.h"
#include "tests/support/manual_world.h"

namespace sluice::show {
namespace {

using namespace std::chrono_literals;
using driver::MemberEnded;
using testing::HasSubstr;
using testing::Not;

constexpr int64_t kRecords = 100;
constexpr size_t kParameters = 3;

// Standard error as a file that can be read meanwhile.
class StandardError {
 public:
  StandardError() : before_(dup(STDERR_FILENO)), path_(testing::TempDir() + "job_view_stderr") {
    std::fflush(stderr);
    const int file = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
    dup2(file, STDERR_FILENO);
    close(file);
  }
  StandardError(const StandardError&) = delete;
  ~StandardError() {
    dup2(before_, STDERR_FILENO);
    close(before_);
    unlink(path_.c_str());
  }

  std::string text() const {
    std::stringstream text;
    text << std::ifstream(path_).rdbuf();
    return text.str();
  }
  bool wait_for(const std::string& words) const {
    for (int i = 0; i < 30000 && text().find(words) == std::string::npos; ++i) usleep(1000);
    return text().find(words) != std::string::npos;
  }

 private:
  const int before_;
  const std::string path_;
};

// The driver as the view sees it: pulls wait until the test answers them.
class FakeDriver {
 public:
  JobView::Pull pull() {
    return [this](std::span<float> into, core::Reply<Status> reply) {
      std::lock_guard lock(mutex_);
      pulls_.push_back({into, std::move(reply)});
      changed_.notify_all();
    };
  }
  // Answers the oldest, once there is one.
  void answer(const Status& status, float value = 0) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !pulls_.empty(); });
    Pull pull = std::move(pulls_.front());
    pulls_.pop_front();
    lock.unlock();
    if (status.ok()) std::fill(pull.into.begin(), pull.into.end(), value);
    pull.reply(status);
  }
  size_t waiting() {
    std::lock_guard lock(mutex_);
    return pulls_.size();
  }

 private:
  struct Pull {
    std::span<float> into;
    core::Reply<Status> reply;
  };
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Pull> pulls_;
};

driver::MemberName worker(int index) {
  driver::MemberName name;
  name.index = index;
  name.process.host = "hosta";
  name.process.pid = 4711;
  return name;
}

driver::EpochEnded epoch(int number) { return {{number, kRecords, 0.5 * kRecords, {75}}}; }

std::unique_ptr<JobView> make_view(core::World& world, int verbose, int epochs = 1,
                                   JobView::Evaluate evaluate = nullptr,
                                   bool members_come = false) {
  const ShownJob job{
      .epochs = epochs,
      .records = kRecords,
      .parameters = kParameters,
      .verbose = verbose,
      .members_come = members_come,
      .metrics_of = [](const wire::EpochMetrics& sums) {
        const auto n = static_cast<double>(sums.samples);
        return Metrics{sums.loss_sum / n, sums.counters.empty() ? 0 : sums.counters[0] / n};
      }};
  return std::make_unique<JobView>(world, job, std::move(evaluate));
}

// --- What is shown ---

class JobViewTest : public testing::Test {
 protected:
  template <typename What>
  void happens(JobView& view, What what) {
    view.on_event({world_.now(), std::move(what)});
    world_.run();
  }

  StandardError stderr_;
  ManualWorld world_;
};

TEST_F(JobViewTest, WhoComesFromElsewhereAndGoesBeforeTheEndIsShownWithTheTime) {
  const auto shown = [this](int verbose) {
    const StandardError standard_error;
    const auto view = make_view(world_, verbose, 1, nullptr, true);
    happens(*view, driver::MemberJoined{worker(1), ""});
    happens(*view, driver::LeaseGranted{worker(1), {2, 1, 5, 100, 50}});
    happens(*view, MemberEnded{worker(1), MemberEnded::How::kLeft, "left", 2});
    happens(*view, driver::JobEnding{});
    happens(*view, MemberEnded{worker(2), MemberEnded::How::kLeft, "left", -1});
    return standard_error.text();
  };
  EXPECT_EQ(shown(0), "");
  const std::string time = "[0-9][0-9]:[0-9][0-9]:[0-9][0-9] ";
  EXPECT_THAT(shown(1), testing::MatchesRegex(
                            time + "worker 1 \\(pid 4711 on hosta\\) joined\n" + time +
                            "worker 1 \\(pid 4711 on hosta\\) left: partition 2 goes back to "
                            "the queue\n"));
}

TEST_F(JobViewTest, ANetworkThatHasDiedIsSaidOnceToThoseWhoAskForNothingToo) {
  ShownJob job{.epochs = 4, .records = kRecords, .parameters = kParameters, .verbose = 0};
  job.metrics_of = [](const wire::EpochMetrics& sums) {
    return Metrics{sums.loss_sum / static_cast<double>(sums.samples), 0.11};
  };
  job.chance = ChanceLevel{2.3, 0.1, 1000};
  JobView view(world_, job, nullptr);
  for (const auto& [number, loss] : {std::pair{0, 1.5}, {1, 2.31}, {2, 2.32}}) {
    happens(view, driver::EpochEnded{{number, kRecords, loss * kRecords, {}}});
  }
  EXPECT_EQ(stderr_.text(),
            "warning: the network has died: the loss of epoch 2 is 2.3100, no better than "
            "guessing (2.3000); try a smaller learning rate\n");
  ASSERT_TRUE(view.divergence());
  EXPECT_EQ(view.divergence()->epoch, 2);
}

// The first epoch's speed is not that of waiting for members.
TEST_F(JobViewTest, AnEpochsTimeBeginsWithTheFirstLease) {
  const auto view = make_view(world_, 1);
  world_.advance(60s);
  happens(*view, driver::LeaseGranted{worker(1), {2, 1, 1, 100}});
  world_.advance(2s);
  happens(*view, driver::LeaseGranted{worker(2), {1, 1, 1, 100}});
  world_.advance(3s);
  happens(*view, epoch(0));
  EXPECT_THAT(stderr_.text(), HasSubstr("Epoch 1/1 - 5s - 20 samples/s"));
}

TEST_F(JobViewTest, DeathsAndRefusalsAreShownAndDailyBusinessOnlyToWhoAsksForIt) {
  const auto shown = [this](int verbose) {
    const StandardError standard_error;
    const auto view = make_view(world_, verbose);
    happens(*view, driver::MemberJoined{worker(1), ""});
    happens(*view, driver::JoinRefused{wire::Role::kWorker, worker(2).process,
                                       failed_precondition("another version")});
    happens(*view, driver::TrainingStarted{});
    happens(*view, driver::LeaseGranted{worker(1), {2, 1, 5, 100, 50}});
    driver::Progress progress;
    progress.samples = 10;
    progress.total_samples = kRecords;
    happens(*view, progress);
    happens(*view,
            MemberEnded{worker(1), MemberEnded::How::kDied, "was killed by signal 9 (Killed)", 2});
    happens(*view, driver::LeaseFinished{worker(3), 2, 100});
    happens(*view, MemberEnded{worker(3), MemberEnded::How::kLeft, "left", -1});
    happens(*view, epoch(0));
    happens(*view, driver::JobEnding{});
    return standard_error.text();
  };
  EXPECT_EQ(shown(0), "");
  EXPECT_EQ(
      shown(1),
      "a worker (pid 4711 on hosta) was refused: another version\n"
      "worker 1 (pid 4711 on hosta) was killed by signal 9 (Killed): partition 2 goes back to "
      "the queue\n"
      "Epoch 1/1 - 0s - loss: 0.5000 - accuracy: 0.7500\n");
  EXPECT_EQ(
      shown(2),
      "worker 1 (pid 4711 on hosta) joined\n"
      "a worker (pid 4711 on hosta) was refused: another version\n"
      "training begins\n"
      "worker 1 (pid 4711 on hosta) trains pushes 5 to 50 of partition 2\n"
      "worker 1 (pid 4711 on hosta) was killed by signal 9 (Killed): partition 2 goes back to "
      "the queue\n"
      "worker 3 (pid 4711 on hosta) has trained partition 2 up to push 100\n"
      "worker 3 (pid 4711 on hosta) left\n"
      "Epoch 1/1 - 0s - loss: 0.5000 - accuracy: 0.7500\n"
      "everything is trained\n");
}

TEST_F(JobViewTest, WhateverEndsAMemberButItsLeavingIsShown) {
  using How = MemberEnded::How;
  const auto view = make_view(world_, 1);
  for (const auto& [how, fate] :
       std::vector<std::pair<How, std::string>>{{How::kRefused, "gave up: no such layer"},
                                                {How::kGaveUp, "gave up: the disk is full"},
                                                {How::kUnheard, "has not been heard of for 10 s"},
                                                {How::kStuck, "is stuck"}}) {
    happens(*view, MemberEnded{worker(0), how, fate, -1});
    EXPECT_THAT(stderr_.text(), HasSubstr(fate));
  }
}

TEST_F(JobViewTest, WaitsAreSaidWhenTheyLastAndNotInTheFirstTwoSeconds) {
  const auto view = make_view(world_, 1);
  happens(*view, driver::WaitsFor{"1 of 1 parameter server(s) to join"});
  happens(*view, driver::WaitsFor{""});
  happens(*view, driver::WaitsFor{"a worker to join"});
  world_.advance(1900ms);
  EXPECT_EQ(stderr_.text(), "") << "starting up takes a moment";
  world_.advance(200ms);
  EXPECT_EQ(stderr_.text(), "waiting for a worker to join\n");
  happens(*view, driver::WaitsFor{"a worker to join"});
  world_.advance(9s);
  EXPECT_EQ(stderr_.text(), "waiting for a worker to join\n");
  happens(*view, driver::WaitsFor{""});
  happens(*view, driver::WaitsFor{"server 0, which has not been heard of for some seconds"});
  happens(*view, driver::WaitsFor{"worker 1, which has not been heard of for some seconds"});
  EXPECT_EQ(stderr_.text(), "waiting for a worker to join\n") << "it may be over at once";
  world_.advance(1s);
  happens(*view, driver::WaitsFor{""});
  world_.advance(1s);
  EXPECT_EQ(stderr_.text(),
            "waiting for a worker to join\n"
            "waiting for worker 1, which has not been heard of for some seconds\n");
}

TEST_F(JobViewTest, AWaitThatLastsIsSaidAgainWithItsTimeLessAndLessOften) {
  const auto view = make_view(world_, 1);
  world_.advance(3s);
  driver::WaitsFor waits{"a worker to join"};
  waits.since = world_.now();
  waits.until = world_.now() + 300s;
  waits.advice = "start it with: sluice worker --driver hosta:7070";
  happens(*view, waits);
  world_.advance(100s);
  happens(*view, driver::WaitsFor{""});
  world_.advance(1h);
  const auto line = [](int waited, int left) {
    return fmt::format(
        "waiting {} s for a worker to join (given up in {} s); "
        "start it with: sluice worker --driver hosta:7070\n",
        waited, left);
  };
  EXPECT_EQ(stderr_.text(), line(1, 299) + line(11, 289) + line(41, 259));
}

TEST_F(JobViewTest, WhatPeopleChangeIsShown) {
  const auto view = make_view(world_, 1);
  happens(*view, driver::JobChanged{"learning-rate", "0.001", "0.0005", "sluice ctl (pid 9 on a)"});
  happens(*view, driver::JobChanged{driver::kPaused, "no", "yes", "sluice ctl (pid 9 on a)"});
  happens(*view, driver::JobChanged{driver::kPaused, "yes", "no", "sluice ctl (pid 9 on a)"});
  EXPECT_EQ(stderr_.text(),
            "learning-rate: 0.0005, before 0.001, by sluice ctl (pid 9 on a)\n"
            "paused by sluice ctl (pid 9 on a); goes on with: sluice ctl resume\n"
            "resumed by sluice ctl (pid 9 on a)\n");
}

// A strand that does nothing until the test lets it: as one whose terminal takes nothing.
TEST_F(JobViewTest, OfProgressThatWaitsOnlyTheNewestIsShown) {
  const auto view = make_view(world_, 2, 2);
  const auto progress = [&](int epoch, int64_t samples) {
    driver::Progress done;
    done.samples = epoch * kRecords + samples;
    done.total_samples = 2 * kRecords;
    if (epoch > 0) done.epochs.push_back({0, kRecords, 0, {}});
    done.epochs.push_back({epoch, samples, 0, {}});
    view->on_event({world_.now(), done});
  };
  const size_t before = world_.posted();
  for (int samples = 1; samples < 90; ++samples) progress(0, samples);
  EXPECT_EQ(world_.posted(), before + 1);
  view->on_event({world_.now(), epoch(0)});
  for (int samples = 1; samples < 50; ++samples) progress(1, samples);
  EXPECT_EQ(world_.posted(), before + 3) << "what happened between two reports stays between them";
}

// --- Epochs and their validation ---

class JobViewValidationTest : public testing::Test {
 protected:
  // The loss tells which parameters were evaluated.
  static Metrics first_of(std::span<const float> parameters) { return {parameters.front(), 0}; }
  std::unique_ptr<JobView> start(int epochs, JobView::Evaluate evaluate = first_of) {
    auto view = make_view(core::real_world(), 1, epochs, std::move(evaluate));
    view->pull_with(driver_.pull());
    return view;
  }
  static void happens(JobView& view, driver::EpochEnded ended) {
    view.on_event({core::real_world().now(), ended});
  }
  static std::vector<std::string> validations(const std::vector<EpochHistory>& history) {
    std::vector<std::string> result;
    for (const EpochHistory& entry : history) {
      result.push_back(entry.validation ? std::to_string(entry.validation->loss) : "none");
    }
    return result;
  }
  static std::string at(float value) { return std::to_string(value); }
  static std::vector<float> parameters(float value) {
    return std::vector<float>(kParameters, value);
  }

  StandardError stderr_;
  FakeDriver driver_;
};

TEST_F(JobViewValidationTest, AnEpochsFiguresAreOfTheParametersAtItsEnd) {
  const auto view = start(2);
  happens(*view, epoch(0));
  driver_.answer(ok_status(), 0.25f);
  EXPECT_TRUE(stderr_.wait_for("val_accuracy"));
  happens(*view, epoch(1));
  driver_.answer(ok_status(), 0.5f);
  const auto history = view->finish(parameters(0.5f));
  EXPECT_THAT(validations(history), testing::ElementsAre(at(0.25f), at(0.5f)));
  EXPECT_EQ(history[0].train.loss, 0.5);
  EXPECT_EQ(history[0].train.accuracy, 0.75);
}

TEST_F(JobViewValidationTest, OfEpochsThatEndTogetherOnlyTheNewestIsValidated) {
  const auto view = start(4);
  happens(*view, epoch(0));
  happens(*view, epoch(1));
  happens(*view, epoch(2));
  driver_.answer(ok_status(), 0.25f);  // was asked for when epoch 0 ended
  EXPECT_TRUE(stderr_.wait_for("Epoch 1/4"));
  driver_.answer(ok_status(), 0.5f);
  EXPECT_TRUE(stderr_.wait_for("Epoch 3/4"));
  EXPECT_EQ(driver_.waiting(), 0u);
  const auto history = view->finish({});
  EXPECT_THAT(validations(history), testing::ElementsAre(at(0.25f), "none", at(0.5f)));
}

TEST_F(JobViewValidationTest, FinishEvaluatesWhatHasNotBeen) {
  const auto view = start(3);
  happens(*view, epoch(0));
  happens(*view, epoch(1));
  driver_.answer(cancelled("the job has ended"));
  const auto history = view->finish(parameters(0.5f));
  EXPECT_THAT(validations(history), testing::ElementsAre("none", at(0.5f)));
  EXPECT_THAT(stderr_.text(), HasSubstr("Epoch 2/3"));
}

TEST_F(JobViewValidationTest, FinishWaitsForAPullThatIsUnderWay) {
  const auto view = start(1);
  happens(*view, epoch(0));
  auto finished = std::async(std::launch::async, [&] { return view->finish(parameters(0.5f)); });
  EXPECT_EQ(finished.wait_for(20ms), std::future_status::timeout);
  driver_.answer(ok_status(), 0.25f);
  EXPECT_THAT(validations(finished.get()), testing::ElementsAre(at(0.25f)));
}

TEST_F(JobViewValidationTest, APullThatFailsLeavesItToTheNextEpoch) {
  const auto view = start(2);
  happens(*view, epoch(0));
  driver_.answer(unavailable("server 0 is silent"));
  view->message("one thing after the other");
  EXPECT_TRUE(stderr_.wait_for("one thing after the other"));
  EXPECT_THAT(stderr_.text(), Not(HasSubstr("Epoch 1/2")));
  happens(*view, epoch(1));
  driver_.answer(ok_status(), 0.5f);
  EXPECT_TRUE(stderr_.wait_for("Epoch 2/2"));
  EXPECT_THAT(validations(view->finish({})), testing::ElementsAre("none", at(0.5f)));
}

TEST_F(JobViewValidationTest, AJobThatFailedShowsNothingMore) {
  const auto view = start(2);
  happens(*view, epoch(0));
  driver_.answer(cancelled("the job has ended"));
  EXPECT_TRUE(view->finish({}).empty());
  EXPECT_THAT(stderr_.text(), Not(HasSubstr("Epoch")));
}

TEST_F(JobViewValidationTest, NothingWaitsForAnEvaluation) {
  std::promise<void> evaluating, go_on;
  const std::shared_future<void> gate = go_on.get_future();
  std::once_flag first;
  const auto view = start(2, [&](std::span<const float> parameters) {
    std::call_once(first, [&] { evaluating.set_value(); });
    gate.wait();
    return first_of(parameters);
  });
  happens(*view, epoch(0));
  driver_.answer(ok_status(), 0.25f);
  evaluating.get_future().get();
  view->on_event(
      {core::real_world().now(), MemberEnded{worker(1), MemberEnded::How::kDied, "was killed", 2}});
  happens(*view, epoch(1));
  EXPECT_TRUE(stderr_.wait_for("worker 1 (pid 4711 on hosta) was killed"));
  EXPECT_THAT(stderr_.text(), Not(HasSubstr("Epoch 1/2"))) << "its figures are not there yet";
  go_on.set_value();
  EXPECT_TRUE(stderr_.wait_for("Epoch 1/2"));
  driver_.answer(ok_status(), 0.5f);
  EXPECT_EQ(view->finish({}).size(), 2u);
}

TEST_F(JobViewValidationTest, AnEvaluationThatFailsCostsOnlyItsFigures) {
  log::set_role("test");  // whose log is standard error
  const auto view = start(
      1, [](std::span<const float>) -> Metrics { throw std::runtime_error("the layer broke"); });
  happens(*view, epoch(0));
  driver_.answer(ok_status(), 0.25f);
  EXPECT_TRUE(stderr_.wait_for("no validation figures: the layer broke"));
  const auto history = view->finish({});
  ASSERT_EQ(history.size(), 1u);
  EXPECT_EQ(history[0].validation, std::nullopt);
  EXPECT_EQ(history[0].train.accuracy, 0.75);
}

}  // namespace
}  // namespace sluice::show
