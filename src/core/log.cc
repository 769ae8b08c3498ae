#include "core/log.h"

#include <spdlog/sinks/stdout_sinks.h>

#include <stdexcept>

namespace sluice::log {

void set_role(const std::string& role) {
  auto logger = std::make_shared<spdlog::logger>(role, std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_level(spdlog::get_level());
  logger->set_pattern("%H:%M:%S.%e %L %n | %v");
  spdlog::set_default_logger(std::move(logger));
}

void set_level(const std::string& level) {
  const auto parsed = spdlog::level::from_str(level);
  if (parsed == spdlog::level::off && level != "off") {
    throw std::invalid_argument("log level \"" + level + "\": use debug, info, warn, error or off");
  }
  spdlog::set_level(parsed);
}

}  // namespace sluice::log
