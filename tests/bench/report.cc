// Runs every benchmark and the main job, and writes what came of it as Markdown.
//
//   sluice_bench_report BIN_DIR OUTPUT.md [quick]
//
// quick: fewer rounds and one epoch of the main job, to see that everything runs. What
// tests/cuda/bench has written into the file before stays.
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
  std::string output;
  bool quick = false;
};

// What ./dev test keras has installed beside the build, if it has.
std::string keras_flag(const Settings& settings) {
  const std::string python = settings.bin + "/../../keras-venv/bin/python";
  return std::ifstream(python) ? " --keras " + python : "";
}

std::string replica_section(const Settings& settings) {
  std::string text =
      "## (a) A training step against the oneDNN primitives it could be made of\n\n"
      "float32, images/s: the MNIST CNN, three blocks of convolution, BatchNormalization, pooling "
      "and dropout for cats and dogs, and ResNet-20. *direct*: the sum of oneDNN's primitives, "
      "each measured alone, again and again, with direct convolutions. *fastest*: the same, with "
      "Winograd where oneDNN is faster with it. *in turn*: those of *fastest* one after the other, "
      "forward and back, as in a step: then their data is no longer all in the caches. None counts "
      "an optimizer. Ratios are reference time over our time with Adam, medians of rounds. "
      "*Keras*: Keras on TensorFlow as `compile()` leaves it, its time over ours with "
      "Adam, where `./dev test keras` has installed it.\n\n"
      "| model | batch | threads | direct | fastest | in turn | ours | with Adam | / direct | "
      "/ fastest | / in turn | Keras |\n|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const std::string model : {"mnist-cnn", "cats-and-dogs", "resnet20"}) {
    const std::string rounds = settings.quick ? "1" : model == "mnist-cnn" ? "11" : "3";
    const Json json = run(settings.bin + "/sluice_replica_bench --model " + model + " --rounds " +
                              rounds + keras_flag(settings),
                          "--json");
    for (const Json& r : json["results"]) {
      const auto number = [&](const char* key) { return r[key].get<double>(); };
      const bool keras = r.contains("ratio_adam_to_keras");
      text += format(
          "| %s | %d | %d | %.0f | %.0f | %.0f | %.0f | %.0f | %.2f | **%.2f** | %.2f | %s |\n",
          model.c_str(), r["batch"].get<int>(), r["threads"].get<int>(),
          number("reference_images_per_second"), number("best_images_per_second"),
          number("in_turn_images_per_second"), number("gradients_images_per_second"),
          number("adam_images_per_second"), number("ratio_adam"), number("ratio_adam_to_best"),
          number("ratio_adam_to_in_turn"),
          keras ? format("**%.2f**", number("ratio_adam_to_keras")).c_str() : "");
    }
  }
  return text;
}

std::string prediction_section(const Settings& settings) {
  const std::string python = settings.bin + "/../../keras-venv/bin/python";
  const std::string flag = std::ifstream(python) ? " --onnxruntime " + python : "";
  const Json json =
      run(settings.bin + "/sluice_predict_bench --rounds " + (settings.quick ? "1" : "9") + flag,
          "--json");
  std::string text =
      "## Prediction\n\n"
      "`./dev bench predict`: float32, images/s of `Model::predict()` of a model from a `.keras` "
      "file. *fastest*: the sum of oneDNN's fastest primitives, each measured alone, again and "
      "again: batch normalizations are folded, ReLUs and sums fused, layouts oneDNN's own, "
      "reorders not counted. *in turn*: the same one after the other, as in a prediction: then "
      "their data is no longer all in the caches. *onnxruntime*: the model as we export it, with "
      "as many threads, where `./dev test keras` has installed it. Ratios are their time over "
      "ours, medians of rounds. Threads wait by spinning, as in a program where nothing says "
      "otherwise, and as onnxruntime's do. (With `OMP_WAIT_POLICY=passive`, as in the command, "
      "little work is computed by one thread.) Goals: 0.95 of the fastest, and not slower than "
      "onnxruntime.\n\n"
      "| model | batch | threads | fastest | in turn | onnxruntime | ours | / fastest | / in turn "
      "| / onnxruntime |\n|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : json["results"]) {
    const auto number = [&](const char* key) { return r[key].get<double>(); };
    const bool other = r.contains("ratio_to_onnxruntime");
    text += format(
        "| %s | %d | %d | %.0f | %.0f | %s | %.0f | **%.2f** | %.2f | %s |\n",
        r["model"].get<std::string>().c_str(), r["batch"].get<int>(), r["threads"].get<int>(),
        number("primitives_images_per_second"), number("in_turn_images_per_second"),
        other ? format("%.0f", number("onnxruntime_images_per_second")).c_str() : "",
        number("images_per_second"), number("ratio_to_primitives"), number("ratio_to_in_turn"),
        other ? format("**%.2f**", number("ratio_to_onnxruntime")).c_str() : "");
  }
  text +=
      "\n"
      "Each primitive alone has its data in the second-level cache. In turn, neither the "
      "kernels of Winograd's algorithm for ResNet-20 (3.7 MB) nor the MNIST CNN's dense layer "
      "(4.1 MB) stay in one of 2 MB: what is missing to the fastest is to be read beside *in "
      "turn*. (At batch 1, ResNet-20 with direct convolutions, whose kernels fit, was slower by "
      "4 to 6 %.) With one thread the time is that which it ran, with two that on the wall.\n";
  const Json &loading = json["loading"], &start = json["start"];
  return text +
         format(
             "\nA `.keras` of %.0f MB loads in %.0f ms, its bytes are read in %.0f: **%.2f** "
             "times that (goal: 3). `sluice predict` of one image by the MNIST CNN takes "
             "**%.0f ms** from start to end (goal: 100), `sluice --version` %.0f.\n",
             loading["bytes"].get<double>() * 1e-6, loading["loading_ms"].get<double>(),
             loading["reading_ms"].get<double>(), loading["ratio"].get<double>(),
             start["predict_ms"].get<double>(), start["version_ms"].get<double>());
}

std::string ops_section(const Settings& settings) {
  const Json json =
      run(settings.bin + "/sluice_ops_bench --rounds " + (settings.quick ? "1" : "9"), "--json");
  std::string text =
      "### Operation by operation\n\n"
      "Forward and backward pass of one operation within a step, batch 16, one thread, against the "
      "oneDNN primitives that compute it, run one after the other (`./dev bench ops`, which says "
      "more). Ratios are their time over ours.\n\n"
      "| operation | primitives, us | ours, us | forward | backward | both |\n"
      "|---|---|---|---|---|---|\n";
  for (const Json& r : json["results"]) {
    const auto number = [&](const char* key) {  // what has no backward pass has no ratio of it
      return r[key].is_number() && r[key] > 0 ? format("%.2f", r[key].get<double>())
                                              : std::string();
    };
    text += format("| %s | %.0f | %.0f | %s | %s | **%s** |\n", r["op"].get<std::string>().c_str(),
                   r["primitive_us"].get<double>(), r["our_us"].get<double>(),
                   number("ratio_forward").c_str(), number("ratio_backward").c_str(),
                   number("ratio").c_str());
  }
  return text +
         "\nThe primitive of Add has no backward pass. Softmax stands alone here; as a last layer "
         "it "
         "is part of the loss.\n";
}

std::string precision_section(const Settings& settings) {
  const Json json = run(settings.bin + "/sluice_precision_bench --rounds " +
                            (settings.quick ? "3" : "11") + keras_flag(settings),
                        "--json");
  std::string text =
      "## (b) mixed_bfloat16 against float32\n\n"
      "MNIST CNN with Adam over generated digits, images/s of `train_step`. The two take turns of "
      "a second; ratios are medians of rounds. *Keras*: the time of Keras on TensorFlow in "
      "mixed_bfloat16 over ours, where `./dev test keras` has installed it.\n\n";
  if (!json["supported"].get<bool>()) {
    return text + "Not measured: this processor has neither AVX512_BF16 nor AMX.\n";
  }
  text +=
      "| batch | threads | float32 | mixed_bfloat16 | ratio | Keras |\n|---|---|---|---|---|---|\n";
  for (const Json& r : json["results"]) {
    const bool keras = r.contains("ratio_to_keras");
    text += format("| %d | %d | %.0f | %.0f | **%.2f** | %s |\n", r["batch"].get<int>(),
                   r["threads"].get<int>(), r["float32_images_per_second"].get<double>(),
                   r["mixed_bfloat16_images_per_second"].get<double>(), r["ratio"].get<double>(),
                   keras ? format("**%.2f**", r["ratio_to_keras"].get<double>()).c_str() : "");
  }
  return text;
}

std::string exchange_section(const Settings& settings) {
  const Json json = run(
      settings.bin + "/sluice_exchange_bench --rounds " + (settings.quick ? "3" : "15"), "--json");
  std::string text =
      "## (c) Exchange against a bare gRPC echo of the same bytes\n\n"
      "Bytes sent and received per second, client and server in two processes. The echo sends one "
      "message per shard, as the exchange does, or all in one; the exchange also updates the "
      "shards, and is compared with the same messages and with the faster echo.\n\n"
      "| socket | bytes | shards | exchange GB/s | echo, same messages | echo, one message | "
      "exchange / same | exchange / faster |\n|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : json["cases"]) {
    const double exchange = r["exchange_gb_per_s"].get<double>();
    const double same = r["echo_in_shards_gb_per_s"].get<double>();
    text += format("| %s | %.1f MB | %d | %.2f | %.2f | %.2f | **%.2f** | %.2f |\n",
                   r["socket"].get<std::string>().c_str(), r["bytes"].get<double>() * 1e-6,
                   r["shards"].get<int>(), exchange, same, r["echo_whole_gb_per_s"].get<double>(),
                   exchange / same, r["ratio"].get<double>());
  }
  text +=
      "\nBetween processes that share memory, against what cannot be left out: the server's update "
      "and one copy\nof the values, in one process.\n\n"
      "| bytes | exchange ms | update and copy ms | ratio |\n|---|---|---|---|\n";
  for (const Json& r : json["memory"]) {
    text += format("| %.1f MB | %.3f | %.3f | **%.2f** |\n", r["bytes"].get<double>() * 1e-6,
                   r["exchange_ms"].get<double>(), r["update_and_copy_ms"].get<double>(),
                   r["ratio"].get<double>());
  }
  return text;
}

std::string update_section(const Settings& settings) {
  const Json json = run(
      settings.bin + "/sluice_update_bench --rounds " + (settings.quick ? "3" : "15"), "--json");
  std::string text =
      "## (d) The server's update against memcpy of the same bytes\n\n"
      "| rule | bytes | update GB/s | memcpy GB/s | ratio |\n|---|---|---|---|---|\n";
  for (const Json& r : json["cases"]) {
    text +=
        format("| %s | %.1f MB | %.1f | %.1f | **%.2f** |\n", r["rule"].get<std::string>().c_str(),
               r["bytes"].get<double>() * 1e-6, r["update_gb_per_s"].get<double>(),
               r["memcpy_gb_per_s"].get<double>(), r["ratio"].get<double>());
  }
  return text;
}

std::string compression_section(const Settings& settings) {
  const Json json =
      run(settings.bin + "/sluice_compression_bench --rounds " + (settings.quick ? "3" : "15"),
          "--json");
  std::string text =
      "## Compression against memcpy of the same floats\n\n"
      "One thread; GB/s of the floats, whatever they become.\n\n"
      "| compression | floats | bytes a value | encode GB/s | decode GB/s | memcpy GB/s | "
      "encode / memcpy | decode / memcpy |\n|---|---|---|---|---|---|---|---|\n";
  for (const Json& r : json["cases"]) {
    text += format("| %s | %.1f MB | %.3f | %.1f | %.1f | %.1f | **%.2f** | **%.2f** |\n",
                   r["compression"].get<std::string>().c_str(), r["bytes"].get<double>() * 1e-6,
                   r["bytes_per_value"].get<double>(), r["encode_gb_per_s"].get<double>(),
                   r["decode_gb_per_s"].get<double>(), r["memcpy_gb_per_s"].get<double>(),
                   r["encode_ratio"].get<double>(), r["decode_ratio"].get<double>());
  }
  return text;
}

std::string peak(const Json& process) {
  return format("%.0f MB", process["peak_memory_bytes"].get<double>() * 1e-6);
}

std::string job_section(const Settings& settings) {
  const Json json = run(
      settings.bin + "/sluice_processes_bench" + (settings.quick ? " --rounds 1" : ""), "--json");
  std::string text =
      "## (e) The main job\n\n"
      "MNIST CNN, ADAG, Adam, batch 16, window 5, 3 workers, against `fit()` of the same in one "
      "process on all cores, in turns; medians. All of this section hold the weights of one epoch, "
      "since a step's time depends on how many activations are zero "
      "(tests/bench/processes_bench.cc).\n\n"
      "| precision | exchange | dataset | images | training time | images/s | fit() images/s | "
      "ratio | updates | mean staleness |\n|---|---|---|---|---|---|---|---|---|---|\n";
  std::string memory;
  for (const Json& job : json["jobs"]) {
    const Json& r = job["report"];
    text += format("| %s | %s | %s | %d | %.1f s | %.0f | %.0f | **%.2f** | %d | %.2f |\n",
                   job["precision"].get<std::string>().c_str(),
                   job["overlap"].get<bool>() ? "overlapped" : "blocking",
                   r["dataset"].get<std::string>().c_str(), r["samples_trained"].get<int>(),
                   r["training_time_s"].get<double>(), job["images_per_second"].get<double>(),
                   job["fit_images_per_second"].get<double>(), job["ratio"].get<double>(),
                   r["server_updates"].get<int>(), r["staleness"]["mean"].get<double>());
    memory = "\nPeak memory: driver " + peak(r["driver"]) + ", server " + peak(r["servers"][0]) +
             ", worker " + peak(r["workers"][0]) + ".\n";
  }
  const Json &overhead = json["overhead"], &workers = json["workers"];
  text += memory;
  text += format(
      "\nOne worker (batch 128, window 5, a thread), two epochs: %.2f CPU seconds of all processes "
      "from their start to their end, `fit()` %.2f, ratio **%.3f** (medians of %d runs in "
      "turns).\n",
      overhead["cpu_seconds"].get<double>(), overhead["fit_cpu_seconds"].get<double>(),
      overhead["ratio"].get<double>(), overhead["rounds"].get<int>());
  text += format(
      "\nTwo workers (batch 16, window 5): %.0f images/s; one with its server and driver on one "
      "core %.0f; ratio **%.2f** (medians of runs in turns). Two `fit()` that have nothing to do "
      "with each other, each on a core, have %.2f times the speed of one: that is what this "
      "machine lets two cores gain.\n",
      workers["images_per_second"].get<double>(), workers["one_images_per_second"].get<double>(),
      workers["ratio"].get<double>(), workers["fit_ratio"].get<double>());
  return text;
}

int report(const Settings& settings) {
  std::string text =
      "# Benchmarks\n\nWritten by `./dev bench" + std::string(settings.quick ? " quick" : "") +
      "` on " + today() + ", Sluice " + core::version() + ", on " + machine() +
      ".\nThe machine is shared and its speed drifts: read the ratios, which are measured within "
      "one run.\n";
  for (const auto section :
       {replica_section, ops_section, precision_section, exchange_section, update_section,
        job_section, compression_section, prediction_section}) {
    text += "\n" + section(settings);
  }
  text += "\n" + gpu_section(read_file(settings.output));
  text = wrapped(text);
  std::ofstream(settings.output) << text;
  std::printf("%s", text.c_str());
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s BIN_DIR OUTPUT.md [quick]\n", argv[0]);
    return 2;
  }
  try {
    return sluice::bench::report({argv[1], argv[2], argc > 3 && std::string(argv[3]) == "quick"});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return 1;
  }
}
