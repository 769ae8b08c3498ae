// `sluice train` and `sluice driver`: the same job, with members of its own or with those that
// join.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "algorithm/algorithm.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/job_data.h"
#include "cli/model_flags.h"
#include "cli/outputs.h"
#include "cli/training_text.h"
#include "core/clock.h"
#include "core/count_text.h"
#include "core/file_io.h"
#include "core/log.h"
#include "core/parameter_set.h"
#include "core/process_info.h"
#include "core/standard_error.h"
#include "data/catalog.h"
#include "launch/signals.h"
#include "nn/lowering.h"
#include "nn/model_impl.h"
#include "show/report.h"
#include "sluice/errors.h"
#include "train/adopted_training.h"
#include "train/builtin_models.h"
#include "train/chance_level.h"
#include "train/distributed_job.h"
#include "train/ensemble.h"
#include "train/inference.h"
#include "train/tasks.h"
#include "transport/grpc/grpc_transport.h"

namespace sluice::cli {
namespace {

// How long a job may take to end after a signal, and to read and write its parameters as well.
constexpr core::Duration kGrace = std::chrono::seconds(2);
constexpr core::Duration kGraceToSave = std::chrono::seconds(12);

struct JobFlags {
  train::JobConfig config;  // defaults, then --config, then flags
  std::string config_file;
  std::set<std::string> in_config_file;   // names of fields
  std::set<std::string> on_command_line;  // likewise
  std::string log_level = "warn";
  bool print_config = false;
};

// "--shuffle,!--no-shuffle", as CLI11 takes them.
std::string with_opposite(const std::string& flag) { return flag + ",!--no-" + flag.substr(2); }

// A flag whose text `parse` makes a value of; what that has against it comes behind the flag's
// name.
template <typename T, typename Parse>
CLI::Option* add_parsed(CLI::App& app, const std::string& name, T& field, const train::Help& help,
                        Parse parse) {
  const auto set = [&field, name, parse](const std::string& text) {
    try {
      field = parse(text);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument(
          fmt::format("{}: {}", name, train::without_name(name.substr(2), error.what())));
    }
  };
  return app.add_option_function<std::string>(name, set, help.text)
      ->type_name(help.value)
      ->group(help.group);
}

void add_flag(CLI::App& app, const std::string& name, OptimizerSpec& field,
              const train::Help& help) {
  const auto parse = [](const std::string& text) { return OptimizerSpec(text); };
  add_parsed(app, name, field, help, parse)->default_str(field.name);
}

void add_flag(CLI::App& app, const std::string& name, LossSpec& field, const train::Help& help) {
  const auto parse = [](const std::string& text) { return LossSpec(text); };
  add_parsed(app, name, field, help, parse)->default_str(field.name());
}

void add_flag(CLI::App& app, const std::string& name, std::map<int, float>& field,
              const train::Help& help) {
  add_parsed(app, name, field, help, train::parse_class_weight);
}

void add_flag(CLI::App& app, const std::string& name, bool& field, const train::Help& help) {
  app.add_flag(with_opposite(name), field, help.text)
      ->default_str(field ? "on" : "off")
      ->group(help.group);
}

template <typename T>
void add_flag(CLI::App& app, const std::string& name, T& field, const train::Help& help) {
  add_value(app, name, field, help.text)->type_name(help.value)->group(help.group);
}

// "a flag for one option", of whatever type it is.
struct AddOption {
  void operator()(bool fallback) const {
    app.add_flag_function(
           with_opposite(name),
           [&values = values, key = key](int64_t count) { values[key] = count > 0; }, help)
        ->default_str(fallback ? "on" : "off")
        ->group(group);
  }
  void operator()(const algorithm::Word& fallback) const {
    app.add_option_function<std::string>(
           name,
           [&values = values, key = key](const std::string& text) {
             values[key] = algorithm::Word(text);
           },
           help)
        ->type_name("NAME")
        ->default_str(std::string(fallback.view()))
        ->group(group);
  }
  template <typename T>
  void operator()(T fallback) const {
    app.add_option_function<std::string>(
           name,
           [&values = values, key = key, flag = name](const std::string& text) {
             values[key] = parse_number<T>(flag, text);
           },
           help)
        ->type_name("NUMBER")
        ->default_str(CLI::detail::to_string(fallback))
        ->group(group);
  }

  CLI::App& app;
  std::map<std::string, algorithm::OptionValue>& values;
  const std::string key, name, help, group;
};

std::string default_text(const algorithm::OptionValue& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "on" : "off";
  if (const auto* word = std::get_if<algorithm::Word>(&value)) return std::string(word->view());
  if (const auto* number = std::get_if<double>(&value)) return fmt::format("{}", *number);
  return fmt::format("{}", std::get<int64_t>(value));
}

// Which trainers have it, and which of them another default than the first.
std::string help_of(const algorithm::SharedOption& option) {
  std::string help = option.spec.help;
  std::vector<std::string> without;
  for (const std::string& name : algorithm::algorithm_names()) {
    if (std::ranges::find(option.algorithms, name) == option.algorithms.end()) {
      without.push_back(name);
    }
  }
  if (without.size() >= option.algorithms.size()) {
    help += fmt::format(" ({})", fmt::join(option.algorithms, ", "));
  } else if (!without.empty()) {
    help += fmt::format(" (all but {})", fmt::join(without, ", "));
  }
  std::string others;
  for (size_t i = 0; i < option.algorithms.size(); ++i) {
    if (option.fallbacks[i] == option.spec.fallback) continue;
    others += fmt::format("{} {} {}", others.empty() ? "" : ",", option.algorithms[i],
                          default_text(option.fallbacks[i]));
  }
  return others.empty() ? help : help + "; by default" + others;
}

// For the end of the help: what each trainer does, and which one to begin with.
std::string describe_trainers() {
  std::string text =
      "Trainers; begin with adag. Over a slow network local_sgd, slowmo and diloco exchange once "
      "in 25 to 50 mini-batches, and were as accurate:\n";
  for (const algorithm::Algorithm* algorithm : algorithm::algorithms()) {
    text += fmt::format("  {:<13}   {}\n", algorithm->name, algorithm->summary);
  }
  return text;
}

// In the group of the training's other flags.
void add_algorithm_flags(CLI::App& app, train::JobConfig& config, const char* group) {
  const std::string names = fmt::format("{}", fmt::join(algorithm::algorithm_names(), "|"));
  add_flag(app, "--trainer", config.trainer, {group, names.c_str(), "algorithm"});
  for (const auto& option : algorithm::all_options()) {
    const std::string help = help_of(option);
    std::visit(AddOption{app, config.trainer_options, option.spec.name, flag_name(option.spec.name),
                         help, group},
               option.spec.fallback);
  }
}

// --config is read while flags are parsed, before any of them is stored: flags win wherever they
// stand, because CLI11 runs this callback first.
void read_config(JobFlags& flags) {
  const Result<std::string> text = core::read_text(flags.config_file);
  if (!text.ok()) throw std::invalid_argument("--config: " + text.status().message());
  try {
    flags.in_config_file.merge(train::merge_json(*text, flags.config));
  } catch (const std::invalid_argument& error) {
    throw std::invalid_argument(flags.config_file + ": " + error.what());
  }
}

std::shared_ptr<JobFlags> add_job_flags(CLI::App& app) {
  auto flags = std::make_shared<JobFlags>();
  app.add_option("--config", flags->config_file, "JSON with any of the flags; flags win")
      ->type_name("FILE")
      ->trigger_on_parse()
      ->each([flags](const std::string& path) {
        flags->config_file = path;
        read_config(*flags);
      });
  const auto add = [&](const char* name, auto& field, const train::Help& help, auto&&) {
    if (std::string_view(name) == "optimizer") add_algorithm_flags(app, flags->config, help.group);
    add_flag(app, flag_name(name), field, help);
  };
  train::visit_fields(flags->config, add);
  app.add_option("--log-level", flags->log_level, "of what processes log on standard error")
      ->capture_default_str()
      ->type_name(kLogLevels)
      ->group("Output");
  app.add_flag("--print-config", flags->print_config, "print the job as JSON and end")
      ->group("Output");
  return flags;
}

void load_weights(const std::string& path, Model& model) {
  try {
    model.load_weights(path);
  } catch (const std::exception& error) {
    throw train::InvalidField("weights", error.what());
  }
}

// A file that cannot be read is a mistake like a wrong flag.
Model make_model(const train::JobConfig& config) {
  try {
    Model model = train::make_model(config.model, config.seed);
    if (!config.weights.empty()) load_weights(config.weights, model);
    return model;
  } catch (const train::InvalidField&) {
    throw;
  } catch (const std::invalid_argument& error) {
    throw train::InvalidField("model", error.what());
  } catch (const RuntimeError& error) {
    throw train::InvalidField("model", error.what());
  }
}

// A model of as many as there are partitions. One that is such already goes on.
void make_ensemble(const train::JobConfig& config, Model& model) {
  const int64_t count = int64_t{config.workers} * config.parallelism_factor;
  if (train::is_combined(model, count)) return;
  const int64_t has = std::ssize(model.layers()) - 1;
  if (has > 1 && train::is_combined(model, has)) {
    throw train::InvalidField("workers", fmt::format("\"{}\" is an ensemble of {} models, and goes "
                                                     "on with one partition for each, got {}",
                                                     model.name(), has, count));
  }
  model = train::combine(model, count, config.seed);
}

// The status. Without the trained model, the figures are better than nothing.
int save_model(const Model& model, Outputs& outputs) {
  try {
    const Status saved = outputs.save(model);
    return saved.ok() ? 0 : fail(1, saved.message());
  } catch (const std::exception& error) {
    return fail(1, error.what());
  }
}

// Of a model from a file: what it is trained with, and what of that the file says.
std::string text_of_objective(const train::JobConfig& config,
                              const std::set<std::string>& adopted) {
  return fmt::format(
      "Loss: {}; optimizer: {}{}; from {}: {}\n", text_of(config.loss),
      text_of(train::effective_optimizer(config)),
      adopted.contains("metrics") ? "; metrics: " + config.metrics : "", config.model,
      adopted.empty() ? "none of these" : fmt::format("{}", fmt::join(adopted, ", ")));
}

// How far the workers move the servers at once (sluice/algorithm/gain.h); empty: as far as one
// does, or less, by the algorithm's own rule.
std::string text_of_gain(const train::JobConfig& config) {
  const algorithm::Choice choice = train::algorithm_of(config);
  const double gain = choice.gain().of(config.workers);
  if (gain <= 1) return "";
  std::string text = fmt::format(
      "{} of {} worker(s) moves the servers {:.1f} times as far at once as one worker's step; {}\n",
      choice.name(), config.workers, gain,
      choice.gain().bounded ? "scaled down to 1 (--no-bound-gain: as published)"
                            : "as published (--bound-gain: scaled down to 1)");
  const double scale = choice.rate_scale(config.workers);
  if (scale == 1) return text;
  return text +
         fmt::format(
             "Learning rate: {:.1f} times the optimizer's at first, for so many workers, and "
             "{:.1f} times in the end (--no-scale-rate: as it is)\n",
             scale, algorithm::Gain::falling(scale, 1));
}

void announce(const train::JobConfig& config, const std::set<std::string>& adopted,
              train::Cluster cluster, const Model& model, const TrainTest& sets,
              const std::string& device) {
  const Dataset& data = sets.train;
  std::string text = model.summary();
  const std::string& origin = data.records()->info().origin;
  text += fmt::format(
      "Training on {}: {}, {} worker(s), {} server(s), {}\n",
      // A file's name is that of its dataset.
      origin.ends_with(data.name()) ? origin : fmt::format("{} ({})", data.name(), origin),
      core::counted(data.size(), "record", "records"), config.workers, config.servers,
      config.trainer);
  if (const std::string columns = data::summary_of_columns(sets); !columns.empty()) {
    text += columns + "\n";
  }
  text += text_of_gain(config);
  if (!train::is_builtin_model(config.model)) text += text_of_objective(config, adopted);
  if (cluster == train::Cluster::kLocal) text += "Device: " + device + "\n";
  if (const auto& training = model.impl().training;
      training && training->optimizer_state.iterations > 0) {
    text += fmt::format(
        "{} has the state of {} after {}; a job's optimizers begin anew, as with compile()\n",
        config.model, training->optimizer.name,
        core::counted(training->optimizer_state.iterations, "step", "steps"));
  }
  core::write_to_standard_error(text);
}

// Of the job alone: what comes behind it, the caller adds.
show::JobReport report_of(const train::JobConfig& config, const Model& model, const TrainTest& data,
                          train::JobOutcome outcome) {
  show::JobReport report;
  report.dataset_asked = config.dataset;
  report.dataset = data.train.name();
  report.class_names = data.train.class_names();
  report.model_json = model.to_json();
  report.parameters = model.count_params();
  report.result = std::move(outcome.result);
  report.history = std::move(outcome.history);
  report.divergence = std::move(outcome.divergence);
  return report;
}

// A network may also have died in the last epoch, of which the mean loss says little.
void say_if_dead(const train::JobConfig& config, const Model& model, const Dataset& test,
                 show::JobReport& report) {
  if (report.result.samples_trained < show::kFewToJudgeBy) return;
  const data::Records& records = *test.records();
  const auto tasks = train::tasks_of(model, records.info(), train::objective_of(config));
  show::DivergenceWatch watch(
      train::chance_level(nn::lower(model, nn::parse_tasks(tasks)), records),
      train::strides_of(config));
  int epoch = 0;
  for (const EpochHistory& entry : report.history) watch.ended(++epoch, entry.train);
  const auto died = watch.ended(0, *report.test);
  if (!died || report.divergence) return;
  report.divergence = died;
  core::write_to_standard_error(died->line() + "\n");
}

// Says what became of a job that was interrupted, with what was asked for written by now. `report`
// is that of the job where its servers still had the model: so has `model` then.
int end_interrupted(const Result<show::JobReport>& report, const Model& model,
                    const train::JobConfig& config, Outputs& outputs) {
  const int signal = launch::StopSignals::signal();
  const int status = signal == 0 ? 1 : launch::StopSignals::exit_status();
  if (!report.ok()) {
    const bool lost = !config.save.empty() || !config.report.empty();
    const std::string why = lost ? ": " + report.status().message() : "";
    return fail(status, fmt::format("interrupted; no model was saved{}{}",
                                    config.report.empty() ? "" : " and no report written", why));
  }
  const driver::JobResult& result = report->result;
  std::string text = fmt::format("interrupted after {}{}; ",
                                 core::counted(result.server_updates, "update", "updates"),
                                 signal == 0 ? " since " + result.stopped : "");
  const bool saved = !config.save.empty() && save_model(model, outputs) == 0;
  text += saved ? "the model as it was by then is saved to " + config.save : "no model was saved";
  if (!config.report.empty()) {
    const Status written = outputs.write_report(*report);
    text += written.ok() ? ", the report of it to " + config.report : "; " + written.message();
  }
  return fail(status, text);
}

// Data may take long to be there: whoever has no port hears of it at once.
Status check_port(const train::JobConfig& config, train::Cluster cluster) {
  std::string address = config.listen;
  if (address.empty() && cluster == train::Cluster::kExternal) address = train::kDriverAddress;
  if (!config.port_file.empty() && (address.empty() || address.starts_with("unix:"))) {
    throw train::InvalidField("port_file", "needs a --listen address with a port");
  }
  const Status free = address.empty() ? ok_status() : transport::check_listen(address);
  if (free.code() == StatusCode::kInvalidArgument) {
    throw train::InvalidField("listen", free.message());
  }
  return free;
}

void check_data_dir(const std::string& folder) {
  std::error_code ignored;
  if (folder.empty() || std::filesystem::is_directory(folder, ignored)) return;
  throw train::InvalidField("data_dir", folder + " is no folder that is there");
}

// An evaluation cannot be stopped, but nothing is left to lose by then. `saved_to` and `report_to`
// are empty where nothing is.
void end_evaluation(show::JobReport& report, const std::string& saved_to,
                    const std::string& report_to, Outputs& outputs) {
  report.interrupted_by = launch::StopSignals::name();
  std::string text = saved_to.empty()
                         ? "interrupted before its test; no model was saved"
                         : "interrupted before its test; the model is saved to " + saved_to;
  if (!report_to.empty()) {
    const Status written = outputs.write_report(report);
    text += written.ok() ? ", the report to " + report_to : "; " + written.message();
  }
  (void)fail(0, text);
  std::_Exit(launch::StopSignals::exit_status());
}

// A reader that goes away is an error like a full disk, not the end of a training.
void heed_lost_readers() {
  struct sigaction action {};
  sigaction(SIGPIPE, nullptr, &action);
  if (action.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
}

// As JSON. Two learning rates, of which one does not count, would only puzzle.
std::string as_asked(train::JobConfig config) {
  config.optimizer = train::effective_optimizer(config);
  config.learning_rate = 0;
  return train::to_json(config);
}

std::set<std::string> given_fields(const JobFlags& flags) {
  std::set<std::string> given = flags.in_config_file;
  given.insert(flags.on_command_line.begin(), flags.on_command_line.end());
  return given;
}

int print_config(const JobFlags& flags) {
  train::JobConfig config = flags.config;
  if (!train::is_builtin_model(config.model)) {
    (void)train::adopt_training(make_model(config), given_fields(flags), config);
  }
  std::printf("%s\n", as_asked(config).c_str());
  return 0;
}

// The trainer by its own name, with no more workers than it takes where nobody asked for any.
void settle_trainer(JobFlags& flags) {
  const algorithm::Choice choice = train::algorithm_of(flags.config);
  flags.config.trainer = choice.name();
  const int most = choice.algorithm->most_workers;
  if (most > 0 && !given_fields(flags).contains("workers")) {
    flags.config.workers = std::min(flags.config.workers, most);
  }
}

int run_job(JobFlags flags, train::Cluster cluster, const char* program) {
  const auto started = core::steady_now();
  log::set_level(flags.log_level);
  log::set_role("driver");
  settle_trainer(flags);
  train::validate(flags.config);
  if (flags.print_config) return print_config(flags);
  train::JobConfig config = with_standard_output(flags.config);
  // First: what follows opens files, and would blame those.
  const Status limits = core::check_limits(config.workers + config.servers);
  if (!limits.ok()) return fail(1, limits.message());
  const bool own_model = train::is_builtin_model(config.model);
  Outputs outputs(config, {flags.config_file, own_model ? "" : config.model, config.weights});
  if (const Status free = check_port(config, cluster); !free.ok()) return fail(1, free.message());
  check_data_dir(config.data_dir);
  Model model = make_model(config);
  outputs.check_apart_from(model.impl().other_files);
  const std::set<std::string> adopted = train::adopt_training(model, given_fields(flags), config);
  if (train::algorithm_of(config).algorithm->own_parameters) make_ensemble(config, model);
  outputs.check_room_for(model);
  const TrainTest data = load_job_data(config, given_fields(flags), adopted, model);
  outputs.check_apart_from(files_of(data));
  if (data.train.records()->info().table.columns.empty()) {
    outputs.check_apart_from({config.sample_weights});
  }
  const std::string device = train::evaluation_device(config, cluster);
  const auto backend = backend::open_backend(train::device_options(device, config.gpu_memory));
  if (!backend.ok()) refuse("device", backend.status());
  heed_lost_readers();
  outputs.open();
  const bool keep = !config.save.empty() || !config.report.empty();
  const launch::StopSignals signals({.grace = keep ? kGraceToSave : kGrace});
  train::JobConfig asked = flags.config;
  std::tie(asked.loss, asked.optimizer, asked.metrics) =
      std::tie(config.loss, config.optimizer, config.metrics);
  const std::string config_json = as_asked(asked);
  train::DistributedJob job{config, cluster, program, flags.log_level, keep};
  std::unique_ptr<LineFile> history;
  job.on_start = [&] {
    if (config.verbose > 0) announce(config, adopted, cluster, model, data, (*backend)->name());
    history = outputs.open_history();
  };
  if (!config.history.empty()) {
    job.on_epoch = [&history](const EpochHistory& entry, int epoch) {
      history->write(show::to_json_line(entry, epoch));
    };
  }
  auto outcome = train::run_distributed(job, model, data.train, signals.token());
  // A server may have been asked to end, too.
  const bool interrupted =
      signals.token().stop_requested() || (outcome.ok() && !outcome->result.stopped.empty());
  if (!outcome.ok() && !interrupted) {
    return fail(1,
                outcome.status().message() + (config.save.empty() ? "" : "; no model was saved"));
  }
  if (!outcome.ok()) return end_interrupted(outcome.status(), model, config, outputs);
  show::JobReport report = report_of(config, model, data, std::move(*outcome));
  report.config_json = config_json;
  report.versions = {{"backend", (*backend)->name()}, {"grpc", transport::grpc_version()}};
  report.total_time_s = core::to_seconds(core::steady_now() - started);
  if (interrupted) {
    report.interrupted_by =
        signals.token().stop_requested() ? launch::StopSignals::name() : report.result.stopped;
    return end_interrupted(std::move(report), model, config, outputs);
  }
  int status = config.save.empty() ? 0 : save_model(model, outputs);
  if (config.verbose > 0) {
    core::write_to_standard_error(
        fmt::format("Evaluating on {}\n", core::counted(data.test.size(), "record", "records")));
  }
  std::string untested;  // why there are no figures of a test
  {
    // Nobody else is at the report meanwhile.
    const std::stop_callback on_stop(signals.token(), [&, status] {
      end_evaluation(report, status == 0 ? config.save : "", config.report, outputs);
    });
    try {
      report.test = model.evaluate(data.test, {.loss = config.loss,
                                               .losses = config.losses,
                                               .loss_weights = config.loss_weights,
                                               .metrics = train::objective_of(config).metrics,
                                               .device = device,
                                               .gpu_memory_mib = config.gpu_memory});
    } catch (const RuntimeError& error) {
      untested = error.what();
    }
  }
  if (report.test) say_if_dead(config, model, data.test, report);
  report.total_time_s = core::to_seconds(core::steady_now() - started);
  const bool saved = !config.save.empty() && status == 0;
  if (!config.report.empty()) {
    const Status written = outputs.write_report(report);
    if (!written.ok()) status = fail(1, written.message());
  }
  if (history) {
    if (const Status written = history->close(); !written.ok()) status = fail(1, written.message());
  }
  if (!untested.empty()) {
    return fail(1, fmt::format("the model was trained but not tested: {}; {}", untested,
                               saved ? "it is saved to " + config.save : "no model was saved"));
  }
  if (config.verbose == 0) return status;
  std::string text = show::to_text(report);
  if (saved) text += "Model saved to " + config.save + "\n";
  // Last, since standard output may wait for whoever reads it.
  if (outputs.take_standard_output()) {
    core::write_to_standard_error(text);
  } else {
    std::fputs(text.c_str(), stdout);
  }
  return status;
}

Command make_command(CLI::App* command, train::Cluster cluster, const char* program) {
  const auto flags = add_job_flags(*command);
  return {command, [flags, cluster, program, command] {
            for (const char* field : {"loss", "optimizer", "metrics", "target", "workers"}) {
              if (command->count(flag_name(field)) > 0) flags->on_command_line.insert(field);
            }
            try {
              return run_job(*flags, cluster, program);
            } catch (const train::InvalidField& error) {
              const bool in_file = flags->in_config_file.contains(error.field);
              if (!in_file || command->count(flag_name(error.field)) > 0) throw;
              throw std::invalid_argument(flags->config_file + ": " + error.what());
            }
          }};
}

}  // namespace

Command add_train_command(CLI::App& app, const char* program) {
  CLI::App* command =
      app.add_subcommand("train", "Trains on this machine: starts its own servers and workers");
  command->footer(
      "Examples:\n"
      "  sluice train --workers 3 --epochs 5 --save mnist.keras\n"
      "  sluice train --model mnist.keras --epochs 1       goes on from what was saved\n"
      "  sluice train --dataset csv:houses.csv --target price --loss mse --model m.json\n"
      "  sluice train --trainer downpour --optimizer sgd --learning-rate 0.1 --report -\n"
      "\n" +
      describe_trainers() + "\nExit status: " + std::string(kJobExitStatus) + ".");
  return make_command(command, train::Cluster::kLocal, program);
}

Command add_driver_command(CLI::App& app, const char* program) {
  CLI::App* command =
      app.add_subcommand("driver", "Owns a job whose servers and workers join from elsewhere");
  command->footer(
      "Example:\n"
      "  hosta$ sluice driver --listen 0.0.0.0:7070 --workers 2 --save model.sluice\n"
      "  hosta$ sluice server --driver hosta:7070 --listen 0.0.0.0:7071\n"
      "  hostb$ sluice worker --driver hosta:7070\n"
      "\n"
      "What each trainer does: sluice help train.\n"
      "Exit status: " +
      std::string(kJobExitStatus) + ".");
  return make_command(command, train::Cluster::kExternal, program);
}

}  // namespace sluice::cli
