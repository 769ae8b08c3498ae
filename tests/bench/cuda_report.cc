// Measures on a GPU, beside PyTorch where that is, and writes what came of it as Markdown.
//
//   sluice_cuda_bench_report BIN_DIR [--torch COMMAND] [--write FILE] [quick]
//
// --torch: what runs tests/cuda/torch_bench.py. --write: replaces the GPU's section of FILE. quick:
// few and small, and one epoch of the main job, to see that everything runs.
//
// tests/cuda/bench calls it.
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>

#include "core/version.h"
#include "tests/bench/reporting.h"

namespace sluice::bench {
namespace {

using Json = nlohmann::json;

struct Settings {
  std::string bin;
  std::string torch;   // a command; empty: none
  std::string output;  // empty: none
  bool quick = false;

  std::string mode() const { return quick ? " quick" : ""; }
};

struct Torch {
  Json json;            // null where it was not measured
  std::string version;  // or why there is none
};

Torch measure_torch(const Settings& settings) {
  if (settings.torch.empty()) return {{}, "PyTorch was not measured"};
  try {
    const auto json = run_if_possible(settings.torch + " >&2" + settings.mode(), "--json");
    if (!json) return {{}, "PyTorch with CUDA is not installed there"};
    const auto text = [&](const char* key) { return (*json)[key].get<std::string>(); };
    return {*json, "PyTorch " + text("torch") + " with CUDA " + text("cuda") + " and cuDNN " +
                       text("cudnn")};
  } catch (const std::exception& error) {
    std::fprintf(stderr, "== PyTorch: %s\n", error.what());
    return {{}, "PyTorch could not be measured there"};
  }
}

// PyTorch's result for the same precision and batch, or null.
Json counterpart(const Torch& torch, const Json& ours) {
  if (torch.json.is_null()) return {};
  for (const Json& r : torch.json["results"]) {
    if (r["precision"] == ours["precision"] && r["batch"] == ours["batch"]) return r;
  }
  return {};
}

std::string step_row(const Json& ours, const Torch& torch) {
  const auto number = [&](const char* key) { return ours[key].get<double>(); };
  const double floor = number("floor_seconds");
  std::string row =
      format("| %s | %d | %.0f | %.1f us | %.1f us | %.2f | %d |",
             ours["precision"].get<std::string>().c_str(), ours["batch"].get<int>(),
             number("images_per_second"), 1e6 * number("step_seconds"), 1e6 * floor,
             floor > 0 ? number("step_seconds") / floor : 0, ours["launches"].get<int>());
  const Json theirs = counterpart(torch, ours);
  if (theirs.is_null()) return row + " - | - | - |\n";
  const double speed = theirs["images_per_second"];
  return row + format(" %.0f | **%.2f** | %.0f |\n", speed, number("images_per_second") / speed,
                      theirs["images_per_second_without_input"].get<double>());
}

std::string step_section(const Settings& settings) {
  const Json ours = run(settings.bin + "/sluice_cuda_bench >&2" + settings.mode(), "--json");
  const Torch torch = measure_torch(settings);
  const auto text = [&](const char* key) { return ours[key].get<std::string>(); };
  const std::string driver = output_of(
      "nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null || echo unknown");
  const Json& flops = ours["flops_per_second"];
  std::string section =
      "## (f) On a GPU\n\nWritten by `tests/cuda/bench" + settings.mode() + "` on " + today() +
      ", Sluice " + core::version() + ", on " + text("gpu") + " (driver " +
      driver.substr(0, driver.find('\n')) + ", CUDA " + text("cuda") + ", cuDNN " + text("cudnn") +
      ", cuBLASLt " + text("cublaslt") + "), " + machine() +
      ". Beside it in the same run: " + torch.version + ".\n\n" +
      format(
          "Measured rates of the card: copies %.2f TB/s, read and written; products of large "
          "matrices %.1f TFLOP/s in float32, %.1f in tf32, %.1f in bfloat16. ",
          1e-12 * ours["copy_bytes_per_second"].get<double>(),
          1e-12 * flops["float32"].get<double>(), 1e-12 * flops["tf32"].get<double>(),
          1e-12 * flops["mixed_bfloat16"].get<double>()) +
      "*floor*: what a step's operations or bytes take at these rates (tests/bench/step_floor.h "
      "says how they are counted). MNIST CNN with Adam; each step's batch is copied from pinned "
      "memory, where it lies ready. Goal: 1.5 times PyTorch at batch 16 and 64, not below it at "
      "1024. PyTorch runs channels last, the whole step in a CUDA graph, with fused Adam; it does "
      "not count correct samples, as we do. Its *without input* is the graph alone, without a "
      "copy.\n\n"
      "| precision | batch | images/s | step | floor | step / floor | launches | PyTorch images/s "
      "| ours / PyTorch | without input |\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : ours["results"]) section += step_row(r, torch);
  return section;
}

struct Job {
  const char* name;
  const char* flags;
};

std::string job_section(const Settings& settings) {
  const Job jobs[] = {{"1 server", "--servers 1"},
                      {"1 server, overlapped", "--servers 1 --overlap"},
                      {"3 servers, overlapped", "--servers 3 --overlap"},
                      {"1 server, tf32", "--precision tf32"},
                      {"3 servers, overlapped, mixed_bfloat16",
                       "--servers 3 --overlap --precision mixed_bfloat16"}};
  std::string section =
      "\nThe main job: MNIST CNN, ADAG, Adam, batch 16, window 5, 3 workers on one card. Goal: "
      "300,000 images in under 3 s.\n\n"
      "| job | dataset | images | training time | images/s | accuracy | updates | mean staleness "
      "|\n|---|---|---|---|---|---|---|---|\n";
  for (const Job& job : jobs) {
    try {
      const Json r = run(settings.bin + "/sluice train --device cuda --verbose 0 --epochs " +
                             (settings.quick ? "1 " : "5 ") + job.flags + " >&2",
                         "--report");
      section += format("| %s | %s | %d | **%.2f s** | %.0f | %.4f | %d | %.2f |\n", job.name,
                        r["dataset"].get<std::string>().c_str(), r["samples_trained"].get<int>(),
                        r["training_time_s"].get<double>(), r["samples_per_second"].get<double>(),
                        r["test_accuracy"].get<double>(), r["server_updates"].get<int>(),
                        r["staleness"]["mean"].get<double>());
    } catch (const std::exception& error) {  // the others' figures are worth having
      std::fprintf(stderr, "== %s\n", error.what());
      section += format("| %s | failed | - | - | - | - | - | - |\n", job.name);
    }
  }
  return section;
}

void write_section(const Settings& settings, const std::string& section) {
  if (settings.output.empty()) return;
  const std::string document = wrapped(replace_gpu_section(read_file(settings.output), section));
  if (!(std::ofstream(settings.output) << document)) {
    throw std::runtime_error("cannot write " + settings.output);
  }
}

void report(const Settings& settings) {
  const std::string text = step_section(settings);
  std::printf("%s", text.c_str());
  std::fflush(stdout);
  write_section(settings, text);  // what there is, should the jobs be cut off
  const std::string jobs = job_section(settings);
  std::printf("%s", jobs.c_str());
  write_section(settings, text + jobs);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  settings.bin = argv[1];
  for (int i = 2; i < argc; ++i) {
    const std::string argument = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "--torch") settings.torch = value;
    if (argument == "--write") settings.output = value;
    if (argument == "quick") settings.quick = true;
  }
  return settings;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s BIN_DIR [--torch COMMAND] [--write FILE] [quick]\n", argv[0]);
    return 2;
  }
  try {
    sluice::bench::report(sluice::bench::parse(argc, argv));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
}
