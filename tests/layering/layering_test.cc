// Who may include whom: the table of docs/architecture.md, checked against every #include.
#include <gtest/gtest.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

namespace sluice {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {}},
    {"memory", {"core"}},
    {"compression", {"core"}},
    {"optim", {"core"}},
    {"loss", {"core", "optim"}},
    {"algorithm", {"core", "optim"}},
    {"backend", {"core", "optim", "loss"}},
    {"nn", {"core", "optim", "loss", "backend"}},
    {"formats", {"core", "optim", "loss", "backend", "nn"}},
    {"data", {"core"}},
    {"wire", {"core", "compression", "optim", "loss", "algorithm"}},
    {"client", {"core", "compression", "wire"}},
    {"transport", {"core", "compression", "memory", "wire"}},
    {"server", {"core", "compression", "algorithm", "wire", "client"}},
    {"worker", {"core", "optim", "loss", "backend", "nn", "algorithm", "data", "wire", "client"}},
    {"driver", {"core", "data", "wire", "client"}},
    {"launch", {"core", "client", "transport", "server", "worker", "driver"}},
    {"show", {"core", "nn", "wire", "driver"}},
    {"train",
     {"core", "compression", "optim", "loss", "algorithm", "backend", "nn", "formats", "data",
      "transport", "worker", "driver", "launch", "show"}},
    {"cli",
     {"core", "optim", "loss", "algorithm", "backend", "nn", "formats", "data", "transport",
      "worker", "driver", "launch", "show", "train"}},
};

// The folder that a public header is the face of.
const std::map<std::string, std::string> kPublicHeaders = {
    {"status.h", "core"},      {"errors.h", "core"},         {"shape.h", "core"},
    {"optimizers.h", "optim"}, {"losses.h", "loss"},         {"dataset.h", "data"},
    {"layer.h", "nn"},         {"layers.h", "nn"},           {"model.h", "nn"},
    {"trainer.h", "train"},    {"sluice.h", "train"},        {"version.h", "core"},
    {"cplusplus.h", "core"},   {"learning_rate.h", "optim"}, {"regularizers.h", "nn"},
    {"constraints.h", "nn"},   {"activations.h", "nn"},      {"initializers.h", "nn"},
    {"config.h", "nn"},        {"metrics.h", "nn"},          {"preprocessing.h", "core"},
    {"inputs.h", "train"},     {"algorithm.h", "algorithm"}, {"parameter_range.h", "core"},
};

// Libraries that may be included in one place only, a folder or a file.
const std::vector<std::pair<std::regex, std::string>> kPrivateLibraries = {
    {std::regex("grpc.*|google/protobuf/(?!io/).*|(?!.*_subset).*\\.pb\\.h"), "transport/grpc"},
    {std::regex("google/protobuf/io/.*|.*_subset\\.pb\\.h"), "formats/protobuf"},
    {std::regex("dnnl.*|oneapi/.*|Eigen/Core"), "backend/cpu"},
    {std::regex("Eigen/Dense"), "nn/initializers.cc"},  // an orthogonal matrix
    {std::regex("cuda.*|cudnn.*|cublas.*"), "backend/cuda"},
    {std::regex("CLI/.*"), "cli"},
    {std::regex("png.h|turbojpeg.h"), "data/picture.cc"},
    {std::regex("hdf5\\.h|H5.*"), "formats/hdf5_writer.cc"},
    {std::regex("libdeflate\\.h"), "formats"},
};

// The roles and their clients: what they want of the world, they ask a core::World for, so that a
// simulator can put another around them.
const std::vector<std::string> kInsideAWorld = {"wire",   "client", "server",
                                                "worker", "driver", "algorithm"};

// How code reaches the world by itself, as whole words; calls of members are somebody else's.
const std::vector<std::pair<std::string, std::string>> kWorldly = {
    {"steady_clock::now", "reads a clock"},
    {"system_clock::now", "reads a clock"},
    {"high_resolution_clock::now", "reads a clock"},
    {"steady_now", "reads a clock"},
    {"clock_gettime", "reads a clock"},
    {"gettimeofday", "reads a clock"},
    {"sleep_for", "sleeps"},
    {"sleep_until", "sleeps"},
    {"usleep", "sleeps"},
    {"nanosleep", "sleeps"},
    {"wait_for", "waits by a clock"},
    {"wait_until", "waits by a clock"},
    {"std::thread", "starts a thread"},
    {"std::jthread", "starts a thread"},
    {"std::async", "starts a thread"},
    {"pthread_create", "starts a thread"},
    {"ifstream", "opens a file"},
    {"ofstream", "opens a file"},
    {"fstream", "opens a file"},
    {"fopen", "opens a file"},
    {"mkstemp", "opens a file"},
    {"random_device", "draws a number"},
    {"core::unique_number", "draws a number"},
    {"real_world", "takes a world for granted"},
    {"getpid", "asks for its process"},
    {"gethostname", "asks for its process"},
    {"host_name", "asks for its process"},
    {"core::peak_memory_bytes", "asks for its process"},
};
// What none of it needs.
const std::set<std::string> kWorldlyHeaders = {"thread",     "fstream", "filesystem", "random",
                                               "unistd.h",   "fcntl.h", "cstdio",     "ctime",
                                               "sys/stat.h", "time.h",  "stdio.h",    "pthread.h"};

bool is_part_of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

bool has_word(const std::string& line, const std::string& word) {
  for (size_t at = line.find(word); at != std::string::npos; at = line.find(word, at + 1)) {
    const bool begins = at == 0 || !is_part_of_name(line[at - 1]);
    const size_t end = at + word.size();
    if (begins && (end == line.size() || !is_part_of_name(line[end]))) return true;
  }
  return false;
}

std::vector<std::string> code_of(const fs::path& path) {
  std::vector<std::string> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    result.push_back(line.substr(0, line.find("//")));
  }
  return result;
}

std::vector<std::string> includes_of(const fs::path& path) {
  static const std::regex kInclude(R"(^\s*#\s*include\s+[<"]([^>"]+)[>"])");
  std::vector<std::string> result;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (std::regex_search(line, match, kInclude)) result.push_back(match[1]);
  }
  return result;
}

std::vector<fs::path> sources_below(const std::string& folder) {
  std::vector<fs::path> result;
  for (const auto& entry : fs::recursive_directory_iterator(fs::path(SLUICE_SOURCE_DIR) / folder)) {
    const std::string extension = entry.path().extension();
    if (extension == ".h" || extension == ".cc" || extension == ".cu" || extension == ".cuh") {
      result.push_back(entry.path());
    }
  }
  return result;
}

// The folder of src/ that an include names, or "" for what is not ours.
std::string folder_of(const std::string& include) {
  if (include.rfind("sluice/layers/", 0) == 0) return "nn";
  if (include.rfind("sluice/algorithm/", 0) == 0) return "algorithm";
  if (include.rfind("sluice/", 0) == 0) {
    const auto it = kPublicHeaders.find(include.substr(7));
    return it == kPublicHeaders.end() ? "unknown public header" : it->second;
  }
  const std::string first = include.substr(0, include.find('/'));
  return include.find('/') != std::string::npos && kMayInclude.contains(first) ? first : "";
}

struct Lines {
  int comments = 0, code = 0;
  double ratio() const { return static_cast<double>(comments) / code; }
};

Lines count_lines(const fs::path& path) {
  Lines lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t begin = line.find_first_not_of(" \t");
    if (begin == std::string::npos || line.compare(begin, 8, "#include") == 0) continue;
    ++(line.compare(begin, 2, "//") == 0 ? lines.comments : lines.code);
  }
  return lines;
}

// A public header is a contract, which a declaration alone is not: what, formula, shapes, units,
// defaults, errors, threads, source. LevelDB's have 0.78 lines of comment for each line of code.
// What a header includes needs no words.
TEST(LayeringTest, PublicHeadersSayWhatTheyPromise) {
  Lines all;
  for (const fs::path& path : sources_below("include")) {
    const Lines lines = count_lines(path);
    EXPECT_GE(lines.ratio(), 0.4) << path << " has " << lines.comments << " lines of comment for "
                                  << lines.code << " of code";
    all.comments += lines.comments;
    all.code += lines.code;
  }
  EXPECT_GE(all.ratio(), 0.6);
}

TEST(LayeringTest, FoldersIncludeOnlyWhatTheTableAllows) {
  int checked = 0;
  for (const auto& [folder, allowed] : kMayInclude) {
    for (const fs::path& source : sources_below("src/" + folder)) {
      for (const std::string& include : includes_of(source)) {
        const std::string target = folder_of(include);
        if (target.empty() || target == folder) continue;
        ++checked;
        EXPECT_TRUE(allowed.contains(target))
            << source << " includes " << include << ": " << folder << " may not know " << target;
      }
    }
  }
  EXPECT_GT(checked, 100) << "the sources were not found";
}

TEST(LayeringTest, RolesReachTheWorldOnlyThroughItsInterface) {
  size_t lines = 0;
  for (const std::string& folder : kInsideAWorld) {
    for (const fs::path& source : sources_below("src/" + folder)) {
      for (const std::string& include : includes_of(source)) {
        EXPECT_FALSE(kWorldlyHeaders.contains(include)) << source << " includes " << include;
      }
      const std::vector<std::string> code = code_of(source);
      lines += code.size();
      for (size_t i = 0; i < code.size(); ++i) {
        for (const auto& [word, what] : kWorldly) {
          EXPECT_FALSE(has_word(code[i], word)) << source << ":" << i + 1 << " " << what;
        }
      }
    }
  }
  EXPECT_GT(lines, 3000u) << "the sources were not found";
}

TEST(LayeringTest, EveryFolderIsInTheTable) {
  for (const auto& entry : fs::directory_iterator(fs::path(SLUICE_SOURCE_DIR) / "src")) {
    if (!entry.is_directory()) continue;
    EXPECT_TRUE(kMayInclude.contains(entry.path().filename())) << entry;
  }
}

TEST(LayeringTest, LibrariesStayBehindTheirFolder) {
  for (const fs::path& source : sources_below("src")) {
    const std::string relative = fs::relative(source, fs::path(SLUICE_SOURCE_DIR) / "src");
    for (const std::string& include : includes_of(source)) {
      for (const auto& [library, home] : kPrivateLibraries) {
        if (!std::regex_match(include, library) || include.find("transport/grpc/") == 0) continue;
        const bool is_at_home = relative == home || relative.rfind(home + "/", 0) == 0;
        EXPECT_TRUE(is_at_home) << source << " includes " << include;
      }
    }
  }
}

TEST(LayeringTest, PublicHeadersIncludeOnlyTheStandardLibraryAndThemselves) {
  for (const fs::path& header : sources_below("include")) {
    for (const std::string& include : includes_of(header)) {
      const bool standard =
          include.find('/') == std::string::npos && include.find('.') == std::string::npos;
      EXPECT_TRUE(standard || include.rfind("sluice/", 0) == 0)
          << header << " includes " << include;
    }
  }
}

}  // namespace
}  // namespace sluice
