// What the programs that write docs/benchmarks.md share.
#pragma once

#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace sluice::bench {

template <typename... Args>
std::string format(const char* pattern, Args... args) {
  char text[512];
  std::snprintf(text, sizeof(text), pattern, args...);
  return text;
}

// Runs `command FLAG FILE` and reads the JSON that it wrote there. Nothing where it ended with
// status 77, skipped, or there is no such command; throws std::runtime_error where it failed.
std::optional<nlohmann::json> run_if_possible(const std::string& command,
                                              const std::string& json_flag);
// The same; not being possible is a failure too.
nlohmann::json run(const std::string& command, const std::string& json_flag);

// What `command` prints, without the last line break; empty where it fails.
std::string output_of(const std::string& command);

// "AMD EPYC, 2 cores, Linux 6.1".
std::string machine();
std::string today();

// The part of docs/benchmarks.md that tests/cuda/bench writes, between two comments, which are part
// of it, and what people have written behind it. In a document without it, the one that says so.
std::string gpu_section(const std::string& document);
// `document` with `text` there, at its end where it has none.
std::string replace_gpu_section(const std::string& document, const std::string& text);

// `document` without lines of more than 100 columns, but for rows of tables.
std::string wrapped(const std::string& document);

// Empty for a file that is not there.
std::string read_file(const std::string& path);

}  // namespace sluice::bench
