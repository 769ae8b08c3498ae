#include "worker/partition_trainer.h"

#include <fmt/core.h>

#include <algorithm>
#include <stdexcept>
#include <utility>
#include <variant>

#include "core/check.h"
#include "core/rng.h"
#include "nn/lowering.h"
#include "optim/schedule.h"
#include "sluice/model.h"
#include "worker/caught.h"

namespace sluice::worker {
namespace {

backend::ReplicaOptions replica_options(const wire::TrainingSpec& spec, const Model& model,
                                        const algorithm::WorkerRule& rule) {
  backend::ReplicaOptions options;
  options.batch_size = spec.batch_size;
  options.threads = spec.threads;
  options.precision = backend::parse_precision(spec.precision);
  options.deterministic = spec.deterministic;
  if (rule.trains_locally()) {
    options.optimizer = spec.trainer.worker_optimizer(spec.optimizer);
    options.undecayed = nn::undecayed_ranges(model, spec.optimizer);
    options.optimizer->use_ema = false;  // averages are of the centre, and the servers' to keep
  } else {
    // A server sees pieces of a gradient, which have no norm that says anything.
    options.update_clip = optim::norm_clip_of(spec.optimizer);
  }
  return options;
}

void add_metrics(std::vector<wire::EpochMetrics>& metrics, int epoch,
                 const backend::StepMetrics& step) {
  if (step.samples == 0) return;
  if (metrics.empty() || metrics.back().epoch != epoch) metrics.push_back({.epoch = epoch});
  wire::EpochMetrics& sums = metrics.back();
  sums.samples += step.samples;
  sums.loss_sum += step.loss_sum;
  sums.counters.resize(std::max(sums.counters.size(), step.counters.size()));
  for (size_t i = 0; i < step.counters.size(); ++i) sums.counters[i] += step.counters[i];
}

std::vector<nn::OutputTask> tasks_of(const wire::TrainingSpec& spec, const Model& model) {
  if (spec.losses.size() != model.output_names().size()) {
    throw std::invalid_argument(fmt::format("the driver has losses of {} outputs, the model has {}",
                                            spec.losses.size(), model.output_names().size()));
  }
  std::vector<nn::OutputTask> tasks;
  for (size_t k = 0; k < spec.losses.size(); ++k) {
    tasks.push_back({spec.losses[k], spec.loss_weights[k], spec.metrics[k]});
  }
  return tasks;
}

// Workers that dropped the same units at the same step would make dropout weaker than it is.
void give_own_masks(backend::Graph& graph, int worker) {
  for (backend::Op& op : graph.ops) {
    auto* noise = std::get_if<backend::NoiseOp>(&op.kind);
    if (noise == nullptr) continue;
    noise->seed = core::Rng(noise->seed, {static_cast<uint64_t>(worker)}).next();
  }
}

}  // namespace

// A partition's training. Its tasks and answers are nobody's when it is gone.
struct PartitionTrainer::Run {
  client::ParameterClient& client;
  std::function<void(int64_t)> on_step;
  core::UniqueFunction<void(Status)> done;
  core::Lifetime lifetime{};

  std::optional<PartitionBatches> batches{};
  wire::ShardMap::Part part{};   // of the servers' parameters, which is trained
  wire::PushIdentity id{};       // of the window that is being trained
  int64_t last = 0;              // push of the lease
  int64_t sent = 0;              // the push of the last exchange
  int64_t step = 0, end = 0;     // the next one, and the end of the window
  Push push{};                   // of the window
  std::optional<Push> unsent{};  // with overlap, until the device has written its update

  enum class Exchange { kNone, kUnderWay, kAnswered } exchange = Exchange::kNone;
  bool pulling = false;  // the exchange is the first pull
  bool has_pushed = false;
  bool window_over = false;  // with overlap: and waits for the answer to the push before
  bool draining = false;
  bool paused = false;           // where a window would begin
  bool winding_up = false;       // only answers are missing
  std::optional<Status> ends{};  // with this, when the client has let go
};

PartitionTrainer::PartitionTrainer(const wire::TrainingSpec& spec, backend::Backend& backend,
                                   int worker, std::shared_ptr<core::Strand> strand, int64_t member,
                                   wire::BufferSource buffers)
    : spec_(spec),
      worker_(worker),
      member_(member),
      strand_(std::move(strand)),
      rule_(spec.trainer.worker_rule()),
      rate_scale_(spec.trainer.rate_scale(static_cast<int>(spec.workers))) {
  const Model model = Model::from_json(spec.model);
  backend::Graph graph = nn::lower(model, nn::parse_tasks(tasks_of(spec, model)));
  graph.weighted = spec.sample_weights || !spec.class_weight.empty();
  give_own_masks(graph, worker);
  replica_ = backend.compile(graph, replica_options(spec, model, *rule_));
  pulled_ = replica_->make_exchange_buffer();
  updates_.emplace([this, buffers = std::move(buffers)] {
    return replica_->make_exchange_buffer(buffers.make(parameter_size()));
  });
}

PartitionTrainer::~PartitionTrainer() = default;

// Nothing that a step throws leaves the strand.
template <typename F>
void PartitionTrainer::guarded(F f) {
  if (Status status = caught(f); !status.ok() && run_) end(std::move(status));
}

void PartitionTrainer::train(const wire::Lease& lease, PartitionData data,
                             client::ParameterClient& client, std::function<void(int64_t)> on_step,
                             core::UniqueFunction<void(Status)> done) {
  SLUICE_CHECK(!run_) << "a partition is being trained";
  run_ = std::make_unique<Run>(Run{client, std::move(on_step), std::move(done)});
  guarded([&] { begin(lease, std::move(data)); });
}

void PartitionTrainer::begin(const wire::Lease& lease, PartitionData data) {
  Run& run = *run_;
  const data::BatchPlan plan(lease.partition, data.size(), spec_.batch_size, spec_.epochs,
                             spec_.seed,
                             spec_.shuffle ? data::Shuffle::kEachEpoch : data::Shuffle::kNone);
  run.batches.emplace(std::move(data), plan);
  run.last = std::min(lease.last, rule_->pushes(run.batches->batches(), epoch_steps()));
  run.id = {lease.partition, lease.incarnation, lease.next_sequence - 1};
  // Nothing of a window that was cut short goes into the next, nor does its centre or update travel
  // any more.
  (void)replica_->finish_update();
  (void)replica_->take_metrics();
  run.pulling = true;
  run.exchange = Run::Exchange::kUnderWay;
  run.part = part_of(lease.partition);
  run.client.pull_for(worker_, member_, run.part, pulled_->span(),
                      answer_to(&PartitionTrainer::pulled));
}

wire::ShardMap::Part PartitionTrainer::part_of(int64_t partition) const {
  const wire::ShardMap& map = run_->client.shard_map();
  return spec_.trainer.algorithm->own_parameters ? map.part(partition, spec_.partitions)
                                                 : map.whole();
}

// `method` runs on the strand when the client has answered OK.
core::Reply<Status> PartitionTrainer::answer_to(void (PartitionTrainer::*method)()) {
  return run_->lifetime.on(strand_, [this, method](Status status) {
    run_->exchange = Run::Exchange::kAnswered;
    if (run_->ends) return end(*std::exchange(run_->ends, std::nullopt));
    // Behind the lease's end a push is another's: what was before it is acknowledged.
    const bool cut_off = status.code() == StatusCode::kAborted && is_beyond(run_->sent);
    if (!status.ok()) return end(cut_off ? ok_status() : std::move(status));
    guarded([&] { (this->*method)(); });
  });
}

void PartitionTrainer::adopt(backend::OwnUpdate own) {
  run_->exchange = Run::Exchange::kNone;
  replica_->adopt(pulled_->span(), own, rule_->pull_rate());
  base_versions_ = run_->client.versions();
  has_adopted_ = true;
}

void PartitionTrainer::pulled() {
  run_->pulling = false;
  // In rounds a window whose lease was lost before its push was answered is of the round that is
  // still open, and so is the next.
  if (spec_.trainer.algorithm->rounds) clock_ = run_->client.clock();
  catch_up();
  run_->exchange = Run::Exchange::kNone;
  if (rule_->adoption() == algorithm::Adoption::kPullTowards && has_adopted_) {
    // What this replica has explored is its own, also from one lease to the next.
    replica_->begin_window();
    base_versions_ = run_->client.versions();
  } else {
    adopt(backend::OwnUpdate::kIncluded);
  }
  next_window();
}

// A worker that comes while others train begins where they are, and is not waited for before.
void PartitionTrainer::catch_up() { clock_ = std::max(clock_, run_->client.clock()); }

int64_t PartitionTrainer::epoch_steps() const { return run_->batches->batches_per_epoch(); }

// What the answer to a push does to the replica, when nothing else is under way.
backend::OwnUpdate PartitionTrainer::own_update() const {
  const bool pulls = rule_->adoption() == algorithm::Adoption::kPullTowards;
  return pulls ? backend::OwnUpdate::kElastic : backend::OwnUpdate::kIncluded;
}

// Faithful to the original: train a window, push it, wait for the new centre, go on from there.
// With overlap the answer to a push is waited for only after the next window, which starts from the
// replica as it is; the replica then becomes the centre plus the push that is not in it yet. A push
// leaves as soon as the device has written it, between two steps of the next window.
void PartitionTrainer::next_window() {
  Run& run = *run_;
  if (run.id.sequence >= run.last || run.draining) return wind_up();
  if (stays_paused()) return;
  const int64_t sequence = ++run.id.sequence;
  run.step = rule_->push_end(sequence - 1, epoch_steps());
  run.end = std::min(rule_->push_end(sequence, epoch_steps()), run.batches->batches());
  run.push = {};
  run.push.header.id = run.id;
  run.push.header.worker = worker_;
  run.push.header.steps = static_cast<int32_t>(run.end - run.step);
  if (run.step == run.end) return window_trained();
  run.push.last_epoch = run.batches->epoch_of(run.step);
  set_rate_of_window();
  post_step();
}

// What is taken from the pushes of many workers comes back as larger steps, which become smaller
// until the end.
void PartitionTrainer::set_rate_of_window() {
  if (rate_scale_ == 1) return;
  Run& run = *run_;
  const double done = static_cast<double>(run.step) / static_cast<double>(run.batches->batches());
  const double scale = algorithm::Gain::falling(rate_scale_, done);
  if (!rule_->trains_locally()) {
    run.push.header.rate_scale = scale;
    return;
  }
  const double own = knobs_.learning_rate ? static_cast<double>(*knobs_.learning_rate)
                                          : optim::rate_at(spec_.optimizer.learning_rate, steps_);
  rate_ = static_cast<float>(own * scale);
  replica_->set_learning_rate(*rate_);
}

// With overlap the push of the window before leaves now: nobody would send it later.
bool PartitionTrainer::stays_paused() {
  if (!knobs_.paused) return false;
  send_unsent();
  run_->paused = true;
  if (on_pause_) on_pause_(true);
  return true;
}

void PartitionTrainer::resume() {
  if (!run_ || !run_->paused) return;
  run_->paused = false;
  if (on_pause_) on_pause_(false);
  guarded([this] { next_window(); });
}

// A server's optimizer has its rate from the pushes.
void PartitionTrainer::set_knobs(const wire::Knobs& knobs) {
  knobs_ = knobs;
  if (knobs.learning_rate && rule_->trains_locally() && rate_scale_ == 1) {
    guarded([&] { replica_->set_learning_rate(*knobs.learning_rate); });
  }
  if (!knobs.paused) resume();
}

void PartitionTrainer::post_step() {
  run_->lifetime.on(strand_, [this] { guarded([this] { step(); }); })();
}

void PartitionTrainer::step() {
  if (is_beyond(run_->id.sequence)) return wind_up();
  send_when_ready();
  train_batch();
  run_->on_step(++run_->step);
  if (run_->step < run_->end) return post_step();
  window_trained();
}

// Adds the metrics of all epochs but the last to the push; that one's come with the update.
void PartitionTrainer::train_batch() {
  Run& run = *run_;
  const int epoch = run.batches->epoch_of(run.step);
  if (epoch != run.push.last_epoch) {
    add_metrics(run.push.header.metrics, run.push.last_epoch, replica_->take_metrics());
    run.push.last_epoch = epoch;
  }
  replica_->start_step(make_batch(*replica_, *run.batches, run.step));
  ++steps_;
}

void PartitionTrainer::window_trained() {
  Run& run = *run_;
  send_unsent();
  run.push.update = updates_->lend();
  run.push.header.member = member_;
  run.push.header.clock = ++clock_;
  run.push.header.learning_rate = rate_ ? static_cast<double>(*rate_)
                                  : knobs_.learning_rate
                                      ? static_cast<double>(*knobs_.learning_rate)
                                      : optim::rate_at(spec_.optimizer.learning_rate, steps_ - 1);
  run.push.base_versions = base_versions_;
  if (!rule_->trains_locally()) run.push.header.optimizer_rate = knobs_.learning_rate;
  replica_->start_update({.trained = rule_->update_scale(run.push.header.steps),
                          .weights = rule_->contribution() == algorithm::Contribution::kWeights},
                         run.push.update->span());
  if (!spec_.trainer.overlaps()) return send(run.push);  // answered() goes on
  run.window_over = true;
  if (run.exchange != Run::Exchange::kUnderWay) overlap_next_window();
}

void PartitionTrainer::send(Push& push) {
  add_metrics(push.header.metrics, push.last_epoch, replica_->finish_update());
  // With overlap the push before this one counts as one version. Where a shard had it already, from
  // a worker that died before others had it, it was none.
  push.base_versions.lower_to(run_->client.versions());
  if (!leaves_nothing(push)) push.header.encoding = spec_.push_compression;
  run_->exchange = Run::Exchange::kUnderWay;
  run_->sent = push.header.id.sequence;
  run_->client.exchange(push.header, run_->part, std::move(push.update), pulled_->span(),
                        push.base_versions, answer_to(&PartitionTrainer::answered));
}

// What encoding has kept back goes with the last push of a worker: of one that makes room, and of a
// lease in the last epoch, behind which there need not be another.
bool PartitionTrainer::leaves_nothing(const Push& push) const {
  const int64_t sequence = push.header.id.sequence;
  const bool is_last = sequence >= run_->last || (run_->draining && sequence == run_->id.sequence);
  return is_last && (run_->draining || push.last_epoch + 1 >= spec_.epochs);
}

void PartitionTrainer::send_unsent() {
  if (run_->unsent && !is_beyond(run_->unsent->header.id.sequence)) send(*run_->unsent);
  run_->unsent.reset();
}

void PartitionTrainer::send_when_ready() {
  if (run_->unsent && replica_->update_ready()) send_unsent();
}

void PartitionTrainer::answered() {
  Run& run = *run_;
  // In rounds also who came too late for one goes on with the one that is open.
  if (!std::exchange(run.has_pushed, true) || spec_.trainer.algorithm->rounds) catch_up();
  if (run.winding_up) return wind_up();
  if (spec_.trainer.overlaps()) {
    if (run.window_over) overlap_next_window();
    return;
  }
  adopt(own_update());
  next_window();
}

// The window is over, and the push before it, if there was one, is answered.
void PartitionTrainer::overlap_next_window() {
  Run& run = *run_;
  run.window_over = false;
  if (run.exchange == Run::Exchange::kAnswered) {
    // An update that is a gradient moves nothing before an optimizer has taken it: the plain
    // centre.
    adopt(rule_->trains_locally() ? backend::OwnUpdate::kMissing : backend::OwnUpdate::kIncluded);
  } else {
    replica_->begin_window();
  }
  // The push that leaves now is not in that centre, and is no staleness of the next: only the
  // pushes of others are.
  base_versions_.add(1);
  run.unsent = std::move(run.push);
  send_when_ready();
  next_window();
}

void PartitionTrainer::wind_up() {
  Run& run = *run_;
  run.winding_up = true;
  send_unsent();
  if (run.exchange == Run::Exchange::kUnderWay) return;  // its answer comes back here
  end(run.id.sequence >= run.last ? ok_status() : cancelled("stopped"));
}

void PartitionTrainer::drain() {
  if (!run_) return;
  if (run_->pulling) return cancel();
  run_->draining = true;
  resume();
}

void PartitionTrainer::cut(int64_t last) {
  if (run_) run_->last = std::min(run_->last, last);
}

bool PartitionTrainer::is_beyond(int64_t sequence) const { return sequence > run_->last; }

void PartitionTrainer::cancel() {
  if (run_) end(cancelled("stopped"));
}

void PartitionTrainer::end(Status status) {
  if (std::exchange(run_->paused, false) && on_pause_) on_pause_(false);
  if (run_->exchange == Run::Exchange::kUnderWay) {  // the client writes to the buffers until then
    if (!run_->ends) run_->ends = std::move(status);
    return run_->client.stop();
  }
  const auto run = std::exchange(run_, nullptr);
  run->done(std::move(status));  // may begin the next
}

}  // namespace sluice::worker
