#include "tests/bench/reporting.h"

#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "core/cores.h"

namespace sluice::bench {
namespace {

constexpr int kSkipped = 77;
constexpr int kNoSuchCommand = 127;  // as sh has it

const std::string kBegin = "<!-- gpu -->\n";
const std::string kEnd = "<!-- /gpu -->\n";

struct Place {
  size_t begin, end;
};

std::optional<Place> find_gpu_section(const std::string& document) {
  const size_t begin = document.find(kBegin);
  const size_t end = document.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return std::nullopt;
  return Place{begin, end + kEnd.size()};
}

}  // namespace

std::optional<nlohmann::json> run_if_possible(const std::string& command,
                                              const std::string& json_flag) {
  const std::string file =
      std::filesystem::temp_directory_path() / ("sluice-bench-" + std::to_string(getpid()));
  const std::string line = command + " " + json_flag + " " + file;
  std::fprintf(stderr, "== %s\n", line.c_str());
  const int status = std::system(line.c_str());
  if (WIFEXITED(status) &&
      (WEXITSTATUS(status) == kSkipped || WEXITSTATUS(status) == kNoSuchCommand)) {
    return std::nullopt;
  }
  if (status != 0) throw std::runtime_error("failed: " + line);
  std::ifstream in(file);
  nlohmann::json json = nlohmann::json::parse(in);
  std::filesystem::remove(file);
  return json;
}

nlohmann::json run(const std::string& command, const std::string& json_flag) {
  auto json = run_if_possible(command, json_flag);
  if (!json) throw std::runtime_error("cannot be run here: " + command);
  return *json;
}

std::string output_of(const std::string& command) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {};
  std::string text;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) text += static_cast<char>(c);
  if (pclose(pipe) != 0) return {};
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string machine() {
  std::ifstream info("/proc/cpuinfo");
  std::string model = "unknown processor";
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
  utsname system{};
  uname(&system);
  return model + ", " + std::to_string(core::available_cores()) + " cores, " + system.sysname +
         " " + system.release;
}

std::string today() {
  char text[32];
  const std::time_t now = std::time(nullptr);
  std::strftime(text, sizeof(text), "%Y-%m-%d", std::gmtime(&now));
  return text;
}

std::string gpu_section(const std::string& document) {
  if (const auto place = find_gpu_section(document)) {
    return document.substr(place->begin);
  }
  return kBegin +
         "## (f) On a GPU\n\n"
         "Nobody has run it yet. `tests/cuda/bench --write docs/benchmarks.md` measures on a GPU "
         "and replaces this section; the goals are at least 1.5 times PyTorch's images/s at batch "
         "16 and 64, not below it at 1024, and the main job (300,000 images, 3 workers, one card "
         "of the H200's class) in under 3 s.\n" +
         kEnd;
}

std::string replace_gpu_section(const std::string& document, const std::string& text) {
  const std::string section = kBegin + text + kEnd;
  if (const auto place = find_gpu_section(document)) {
    return document.substr(0, place->begin) + section + document.substr(place->end);
  }
  return document + "\n" + section;
}

std::string wrapped(const std::string& document) {
  constexpr size_t kColumns = 100;
  std::istringstream lines(document);
  std::string result;
  for (std::string line; std::getline(lines, line); result += line + "\n") {
    while (line.size() > kColumns && line[0] != '|') {
      const size_t space = line.rfind(' ', kColumns);
      if (space == std::string::npos) break;
      result += line.substr(0, space) + "\n";
      line.erase(0, space + 1);
    }
  }
  return result;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace sluice::bench
