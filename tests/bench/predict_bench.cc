// How fast a model from a file predicts.
//
//   sluice_predict_bench [--json FILE] [--rounds N] [--batch N] [--threads N] [--model NAME]
//                        [--onnxruntime PYTHON]
//
// mnist-cnn and resnet20 (--model: the one of them and nothing else), saved as .keras and loaded
// again, at batch 1, 16 and 128 with one and two threads. Each round measures every oneDNN
// primitive that a prediction needs alone (forward_reference.h), the fastest of them in turn, then
// Model::predict(), and then, with a Python interpreter that has it, onnxruntime on the model that
// we exported, each with as many threads. Ratios are medians over the rounds of their time / ours:
// above 1 ours is faster.
//
// Then what comes before the first prediction: a .keras of 100 MB loaded against its bytes read,
// and `sluice predict` of one image by the MNIST CNN as a process, from its start to its end.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "data/npy.h"
#include "nn/lowering.h"
#include "sluice/sluice.h"
#include "tests/bench/forward_reference.h"
#include "tests/bench/measure.h"
#include "tests/bench/onnxruntime.h"
#include "tests/support/process.h"
#include "train/builtin_models.h"

namespace sluice::bench {
namespace {

namespace fs = std::filesystem;

struct Options {
  std::vector<std::string> models = {"mnist-cnn", "resnet20"};
  std::vector<int64_t> batches = {1, 16, 128};
  std::vector<int> threads = {1};
  std::string onnxruntime;  // a Python interpreter, or empty
  int rounds = 9;
};

// A folder for the time of the bench.
class Folder {
 public:
  Folder() {
    std::string name = (fs::temp_directory_path() / "sluice-predict-bench-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder");
    path_ = name;
  }
  Folder(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  fs::path path_;
};

SymbolicTensor convolved(const SymbolicTensor& x, int64_t filters, int64_t stride, int64_t kernel) {
  return BatchNormalization()(Conv2D({.filters = filters,
                                      .kernel_size = {kernel, kernel},
                                      .strides = {stride, stride},
                                      .padding = "same"})(x));
}

// As in models.h.
Model resnet20() {
  const Input image({32, 32, 3});
  SymbolicTensor x = ReLU()(convolved(image, 16, 1, 3));
  for (const int64_t filters : {16, 32, 64}) {
    for (int block = 0; block < 3; ++block) {
      const bool narrows = filters > 16 && block == 0;
      const int64_t stride = narrows ? 2 : 1;
      const SymbolicTensor inside = ReLU()(convolved(x, filters, stride, 3));
      const SymbolicTensor around = narrows ? convolved(x, filters, stride, 1) : x;
      x = ReLU()(Add()({convolved(inside, filters, 1, 3), around}));
    }
  }
  return Model(image, Dense({.units = 10, .activation = "softmax"})(GlobalAveragePooling2D()(x)));
}

Model model_named(const std::string& name) {
  if (name == "mnist-cnn") return train::make_model("mnist_cnn", 1);
  if (name == "resnet20") return resnet20();
  throw std::invalid_argument("no model \"" + name + "\": there are mnist-cnn and resnet20");
}

// As after some training: other than at the start, none of them does nothing.
void draw_statistics(Model& model) {
  for (const core::Variable& variable : model.parameters().layout().variables()) {
    if (!variable.name.ends_with("moving_mean")) continue;
    std::vector<float> mean = model.get_weights(variable.name);
    for (size_t i = 0; i < mean.size(); ++i) mean[i] = static_cast<float>(i % 7) * 0.03f - 0.1f;
    model.set_weights(variable.name, mean);
  }
}

// Seconds of one call: the median of short pieces of the time, so that what others on the machine
// take, and leave in the caches, counts only where it lasts. run_onnxruntime.py does the same.
constexpr double kPiece = 0.003;

template <typename Call>
double median_seconds_per_call(int threads, double at_least, const Call& call) {
  std::vector<double> pieces;
  for (double left = at_least; left > 0;) {
    const double begin = seconds_now(2);
    pieces.push_back(seconds_per_call(threads, kPiece, call));
    left -= seconds_now(2) - begin;
  }
  return median(pieces);
}

struct Round {
  std::vector<double> parts;  // seconds of each primitive
  double primitives = 0;      // the sum of the fastest
  double in_turn = 0;         // those one after the other
  double ours = 0;
  double onnxruntime = 0;
};

// Of the parts that took these seconds the faster of two that could replace one another.
std::vector<size_t> fastest_of(const std::vector<ForwardReference::Part>& parts,
                               const std::vector<double>& seconds) {
  std::vector<size_t> fastest;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].alternative_to < 0) {
      fastest.push_back(i);
    } else if (seconds[i] < seconds[fastest.back()]) {  // they come one behind the other
      fastest.back() = i;
    }
  }
  return fastest;
}

template <typename Get>
double median_of(const std::vector<Round>& rounds, const Get& get) {
  std::vector<double> values;
  for (const Round& round : rounds) values.push_back(get(round));
  return median(values);
}

nlohmann::json run(const std::string& name, const Model& model, const std::string& onnx,
                   int64_t batch, int threads, const Options& bench) {
  const backend::Graph graph = nn::lower(model, CategoricalCrossentropy());
  ForwardReference reference(graph, batch, threads);
  std::vector<float> x(static_cast<size_t>(batch * model.input_shape().size()));
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 7919 % 257) / 256.0f;
  const PredictOptions options{.batch_size = batch, .threads = threads};
  std::unique_ptr<OnnxRuntime> other;
  if (!bench.onnxruntime.empty()) {
    other = std::make_unique<OnnxRuntime>(bench.onnxruntime, onnx, batch, threads);
  }
  std::vector<Round> rounds;
  for (int i = 0; i < bench.rounds; ++i) {
    Round round;
    for (const ForwardReference::Part& part : reference.parts()) {
      round.parts.push_back(seconds_per_call(threads, kPiece, [&] { reference.run(part); }));
    }
    const std::vector<size_t> fastest = fastest_of(reference.parts(), round.parts);
    for (const size_t part : fastest) round.primitives += round.parts[part];
    round.in_turn = median_seconds_per_call(threads, 0.1, [&] {
      for (const size_t part : fastest) reference.run(reference.parts()[part]);
    });
    round.ours = median_seconds_per_call(threads, 0.1, [&] { model.predict(x, options); });
    if (other) round.onnxruntime = other->seconds_per_call(kPiece, 0.1);
    rounds.push_back(round);
  }
  const auto rate = [&](double seconds) { return static_cast<double>(batch) / seconds; };
  nlohmann::json result{
      {"model", name},
      {"batch", batch},
      {"threads", threads},
      {"rounds", bench.rounds},
      {"primitives_images_per_second",
       rate(median_of(rounds, [](const Round& r) { return r.primitives; }))},
      {"in_turn_images_per_second",
       rate(median_of(rounds, [](const Round& r) { return r.in_turn; }))},
      {"ratio_to_in_turn", median_of(rounds, [](const Round& r) { return r.in_turn / r.ours; })},
      {"images_per_second", rate(median_of(rounds, [](const Round& r) { return r.ours; }))},
      {"ratio_to_primitives",
       median_of(rounds, [](const Round& r) { return r.primitives / r.ours; })}};
  if (other) {
    result["onnxruntime"] = other->version();
    result["onnxruntime_images_per_second"] =
        rate(median_of(rounds, [](const Round& r) { return r.onnxruntime; }));
    result["ratio_to_onnxruntime"] =
        median_of(rounds, [](const Round& r) { return r.onnxruntime / r.ours; });
  }
  for (size_t i = 0; i < reference.parts().size(); ++i) {
    result["primitives_us"][reference.parts()[i].name] =
        1e6 * median_of(rounds, [i](const Round& r) { return r.parts[i]; });
  }
  return result;
}

void print(const nlohmann::json& r) {
  const auto number = [&](const char* key) { return r[key].get<double>(); };
  std::printf("%-10s %5d %7d %12.0f %10.0f %10.0f %8.2f %8.2f",
              r["model"].get<std::string>().c_str(), r["batch"].get<int>(), r["threads"].get<int>(),
              number("primitives_images_per_second"), number("in_turn_images_per_second"),
              number("images_per_second"), number("ratio_to_primitives"),
              number("ratio_to_in_turn"));
  if (r.contains("ratio_to_onnxruntime")) {
    std::printf(" %12.0f %8.2f", number("onnxruntime_images_per_second"),
                number("ratio_to_onnxruntime"));
  }
  std::printf("\n");
  std::fflush(stdout);
}

// --- before the first prediction ---

double seconds_on_the_wall() { return seconds_now(2); }

void read_bytes(const std::string& path) {
  const size_t size = fs::file_size(path);
  const std::unique_ptr<char[]> bytes(new char[size]);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  size_t at = 0;
  for (ssize_t n = 1; at < size && n > 0; at += static_cast<size_t>(std::max<ssize_t>(n, 0))) {
    n = read(file, bytes.get() + at, size - at);
  }
  close(file);
  if (at != size) throw std::runtime_error("cannot read " + path);
}

nlohmann::json measure_loading(const Folder& folder, int rounds) {
  const std::string path = folder.file("large.keras");
  {
    Sequential model;
    model.add(Input({5000}));
    model.add(Dense({.units = 5000, .activation = "relu"}));
    model.add(Dense({.units = 10}));
    model.save(path);
  }
  std::vector<double> reading, loading, ratios;
  for (int i = 0; i < rounds; ++i) {
    const double begin = seconds_on_the_wall();
    read_bytes(path);
    const double between = seconds_on_the_wall();
    load_model(path);
    reading.push_back(between - begin);
    loading.push_back(seconds_on_the_wall() - between);
    ratios.push_back(loading.back() / reading.back());
  }
  return {{"bytes", fs::file_size(path)},
          {"reading_ms", 1e3 * median(reading)},
          {"loading_ms", 1e3 * median(loading)},
          {"ratio", median(ratios)}};
}

// The seconds of a process whose output nobody reads.
double seconds_of(std::vector<std::string> command) {
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  const double begin = seconds_on_the_wall();
  pid_t child = -1;
  int status = -1;
  const bool started =
      posix_spawn(&child, arguments[0], &actions, nullptr, arguments.data(), environ) == 0 &&
      waitpid(child, &status, 0) == child;
  const double seconds = seconds_on_the_wall() - begin;
  posix_spawn_file_actions_destroy(&actions);
  if (!started || status != 0) throw std::runtime_error(command.front() + " failed");
  return seconds;
}

nlohmann::json measure_start(const Folder& folder, int rounds) {
  const std::string sluice = testing_support::program_beside_this("sluice");
  const std::string model = folder.file("mnist-cnn.keras"), x = folder.file("x.npy");
  model_named("mnist-cnn").save(model);
  const std::vector<float> image(28 * 28, 0.5f);
  std::ofstream(x, std::ios::binary)
      << data::npy_header({1, 28, 28, 1})
      << std::string(reinterpret_cast<const char*>(image.data()), image.size() * sizeof(float));
  std::vector<double> predicting, starting;
  for (int i = 0; i < rounds; ++i) {
    starting.push_back(seconds_of({sluice, "--version"}));
    predicting.push_back(seconds_of({sluice, "predict", model, x}));
  }
  return {{"predict_ms", 1e3 * median(predicting)}, {"version_ms", 1e3 * median(starting)}};
}

nlohmann::json run_all(const Options& options) {
  std::printf("images/s of Model::predict(); ratio = their time / ours\n");
  std::printf("%-10s %5s %7s %12s %10s %10s %8s %8s", "model", "batch", "threads", "primitives",
              "in turn", "ours", "ratio", "in turn");
  std::printf(options.onnxruntime.empty() ? "   (no onnxruntime: ./dev test keras installs it)\n"
                                          : "  onnxruntime    ratio\n");
  const Folder folder;
  nlohmann::json results = nlohmann::json::array();
  for (const std::string& name : options.models) {
    Model built = model_named(name);
    draw_statistics(built);
    built.save(folder.file("model.keras"));
    const Model model = load_model(folder.file("model.keras"));
    const std::string onnx = folder.file("model.onnx");
    model.save(onnx);
    for (const int64_t batch : options.batches) {
      for (const int threads : options.threads) {
        results.push_back(run(name, model, onnx, batch, threads, options));
        print(results.back());
      }
    }
  }
  if (options.models.size() == 1) return {{"bench", "predict"}, {"results", results}};
  const nlohmann::json loading = measure_loading(folder, options.rounds);
  std::printf("\n.keras of %.0f MB: read in %.0f ms, loaded in %.0f: %.2f times that\n",
              loading["bytes"].get<double>() * 1e-6, loading["reading_ms"].get<double>(),
              loading["loading_ms"].get<double>(), loading["ratio"].get<double>());
  const nlohmann::json start = measure_start(folder, std::max(3, options.rounds));
  std::printf("sluice predict of one image by the MNIST CNN: %.0f ms (sluice --version: %.0f)\n",
              start["predict_ms"].get<double>(), start["version_ms"].get<double>());
  return {{"bench", "predict"}, {"results", results}, {"loading", loading}, {"start", start}};
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) try {
  std::string json_path;
  sluice::bench::Options options;
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  if (cores > 1) options.threads.push_back(2);
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string argument = argv[i];
    const std::string value = argv[i + 1];
    if (argument == "--json") json_path = value;
    if (argument == "--rounds") options.rounds = std::max(1, std::atoi(value.c_str()));
    if (argument == "--model") options.models = {value};
    if (argument == "--onnxruntime") options.onnxruntime = value;
    if (argument == "--batch") options.batches = {std::max(1, std::atoi(value.c_str()))};
    if (argument == "--threads") options.threads = {std::clamp(std::atoi(value.c_str()), 1, cores)};
  }
  const nlohmann::json results = sluice::bench::run_all(options);
  if (!json_path.empty()) std::ofstream(json_path) << results.dump(2) << "\n";
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "sluice_predict_bench: %s\n", e.what());
  return 1;
}
