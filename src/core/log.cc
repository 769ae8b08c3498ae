#include "core/log.h"

#include <fmt/core.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>

#include <memory>
#include <mutex>
#include <stdexcept>

#include "core/standard_error.h"

namespace sluice::log {
namespace {

// The process's name. Roles that share a process (tests) take turns in it.
class Role {
 public:
  std::string get() const {
    std::lock_guard lock(mutex_);
    return host_.empty() ? name_ : name_ + "@" + host_;
  }
  void set(const std::string& name) {
    std::lock_guard lock(mutex_);
    name_ = name;
  }
  void set_host(const std::string& host) {
    std::lock_guard lock(mutex_);
    host_ = host;
  }

 private:
  mutable std::mutex mutex_;
  std::string name_ = "sluice";
  std::string host_;
};

Role& role() {
  static auto* const instance = new Role;  // as the logger
  return *instance;
}

class RoleFlag final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg&, const std::tm&,
              spdlog::memory_buf_t& destination) override {
    const std::string name = role().get();
    destination.append(name.data(), name.data() + name.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<RoleFlag>();
  }
};

class StandardError final : public spdlog::sinks::base_sink<std::mutex> {
 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    core::write_to_standard_error({line.data(), line.size()});
  }
  void flush_() override {}
};

// Ours alone: a program that uses spdlog itself keeps its own default logger. Left to the process's
// very end, since threads may log until then.
spdlog::logger& logger() {
  static auto* const ours = [] {
    auto* const made = new spdlog::logger("sluice", std::make_shared<StandardError>());
    auto formatter = std::make_unique<spdlog::pattern_formatter>();
    formatter->add_flag<RoleFlag>('*').set_pattern("%H:%M:%S.%e %L %* | %v");
    made->set_formatter(std::move(formatter));
    return made;
  }();
  return *ours;
}

}  // namespace

void set_role(const std::string& name) { role().set(name); }

void set_host(const std::string& host) { role().set_host(host); }

void set_level(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    throw std::invalid_argument(
        fmt::format("log level \"{}\": use debug, info, warn, error or off", level));
  }
  logger().set_level(parsed);
}

void write(Level level, fmt::string_view format, fmt::format_args arguments) {
  const auto severity = static_cast<spdlog::level::level_enum>(level);
  static_assert(static_cast<int>(Level::trace) == spdlog::level::trace);
  static_assert(static_cast<int>(Level::error) == spdlog::level::err);
  if (logger().should_log(severity)) logger().log(severity, fmt::vformat(format, arguments));
}

}  // namespace sluice::log
