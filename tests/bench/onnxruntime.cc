#include "tests/bench/onnxruntime.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace sluice::bench {
namespace {

struct Pipe {
  int read = -1, write = -1;
  Pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    read = ends[0];
    write = ends[1];
  }
};

}  // namespace

OnnxRuntime::OnnxRuntime(const std::string& python, const std::string& model, int64_t batch,
                         int threads)
    : OnnxRuntime({python, SLUICE_SOURCE_DIR "/tests/bench/run_onnxruntime.py", model,
                   std::to_string(batch), std::to_string(threads)}) {
  version_ = read_line();
}

OnnxRuntime::OnnxRuntime(std::vector<std::string> command) {
  const Pipe in, out;
  std::vector<char*> arguments;
  for (std::string& word : command) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write, STDOUT_FILENO);
  const int failed =
      posix_spawn(&child_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(in.read);
  close(out.write);
  to_ = fdopen(in.write, "w");
  from_ = fdopen(out.read, "r");
  if (failed != 0) child_ = -1;
}

OnnxRuntime::~OnnxRuntime() {
  fclose(to_);  // its standard input ends, and so does it
  fclose(from_);
  if (child_ > 0) waitpid(child_, nullptr, 0);
}

std::string OnnxRuntime::read_line() {
  std::array<char, 256> line{};
  if (child_ < 0 || std::fgets(line.data(), line.size(), from_) == nullptr) {
    throw std::runtime_error("cannot measure onnxruntime: run_onnxruntime.py failed");
  }
  const std::string text = line.data();
  return text.substr(0, text.find('\n'));
}

double OnnxRuntime::seconds_per_call(double piece, double at_least) {
  std::fprintf(to_, "%f %f\n", piece, at_least);
  std::fflush(to_);
  return std::stod(read_line());
}

}  // namespace sluice::bench
