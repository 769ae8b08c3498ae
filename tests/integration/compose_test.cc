// What docker/compose.yaml runs, word for word, on hosts of its own: one network namespace per
// container, each with its own address, joined by a bridge; names are found through /etc/hosts.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/support/digits_folder.h"
#include "tests/support/network.h"
#include "tests/support/process.h"

namespace sluice {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing_support::DigitsFolder;
using testing_support::Network;
using testing_support::Process;

// What stands behind `key` of each service that has it, a folded block (">-") as one line.
std::map<std::string, std::string> compose_values(const std::string& key) {
  std::ifstream file(SLUICE_SOURCE_DIR "/docker/compose.yaml");
  std::map<std::string, std::string> values;
  std::string service;
  size_t folded = 0;  // the indentation of the key whose block this is; 0: none
  for (std::string line; std::getline(file, line);) {
    const size_t indentation = line.find_first_not_of(' ');
    if (indentation == std::string::npos) continue;
    const std::string text = line.substr(indentation);
    if (folded > 0 && indentation > folded) {
      std::string& value = values[service];
      value += (value.empty() ? "" : " ") + text;
      continue;
    }
    folded = 0;
    if (indentation == 2 && text.back() == ':') service = text.substr(0, text.size() - 1);
    if (text.rfind(key + ": ", 0) != 0) continue;
    values[service] = text.substr(key.size() + 2);
    if (values[service] == ">-") {
      values[service].clear();
      folded = indentation;
    }
  }
  return values;
}

// The words of each service's health check.
std::map<std::string, std::vector<std::string>> compose_health_checks() {
  std::map<std::string, std::vector<std::string>> checks;
  for (const auto& [service, text] : compose_values("test")) {
    auto words = nlohmann::json::parse(text).get<std::vector<std::string>>();
    EXPECT_EQ(words.front(), "CMD") << service;
    words.erase(words.begin());
    checks[service] = words;
  }
  return checks;
}

TEST(ComposeTest, ItsCommandsTrainAcrossHostsWithTheirOwnAddresses) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  const Network network({"driver", "server", "worker1", "worker2", "worker3"});
  if (!network.ok()) GTEST_SKIP() << "this machine makes no network namespaces (ip netns, veth)";
  const auto commands = compose_values("command");
  ASSERT_EQ(commands.size(), 3u);
  const DigitsFolder digits(600, 100);
  const DigitsFolder elsewhere(3, 3);  // workers and servers do not see the driver's files
  const auto start = [&](const std::string& host, const std::string& service,
                         const std::string& directory) {
    return std::make_unique<Process>(network.arguments(host, commands.at(service), directory));
  };
  const auto driver = start("driver", "driver", digits.path());
  std::vector<std::unique_ptr<Process>> members;
  members.push_back(start("server", "server", elsewhere.path()));
  for (const char* host : {"worker1", "worker2", "worker3"}) {
    members.push_back(start(host, "worker", elsewhere.path()));
  }
  EXPECT_EQ(driver->wait(240s), 0) << driver->output();
  for (const auto& member : members) EXPECT_EQ(member->wait(30s), 0) << member->output();
  EXPECT_THAT(driver->output(), HasSubstr("Number of parameter server updates: 39"));
  EXPECT_THAT(members[0]->output(), HasSubstr("server:7071"));
  std::ifstream file(digits.path() + "/report.json");
  const auto report = nlohmann::json::parse(file);
  EXPECT_EQ(report["samples_trained"], 5 * 600);
  EXPECT_TRUE(std::filesystem::exists(digits.path() + "/mnist.sluice"));
}

// Whichever is built or started alone: the image is in no registry.
TEST(ComposeTest, EveryServiceBuildsTheImageItself) {
  std::ifstream file(SLUICE_SOURCE_DIR "/docker/compose.yaml");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  EXPECT_THAT(text, HasSubstr("\nname: sluice\n"));
  EXPECT_THAT(text, HasSubstr("\nx-role: &role\n"
                              "  build: {context: .., dockerfile: docker/Dockerfile}\n"
                              "  image: sluice\n"
                              "  pull_policy: build\n"));
  for (const auto& [service, command] : compose_values("command")) {
    EXPECT_EQ(compose_values("<<")[service], "*role") << service;
  }
}

TEST(ComposeTest, AHealthCheckAsksNobodyButItsOwnRole) {
  const auto commands = compose_values("command");
  const auto checks = compose_health_checks();
  EXPECT_EQ(checks.size(), 2u);
  for (const auto& [service, words] : checks) {
    const std::string listen = "--listen 0.0.0.0:";
    const std::string& command = commands.at(service);
    const size_t port = command.find(listen) + listen.size();
    EXPECT_THAT(words.back(), HasSubstr("/dev/tcp/localhost/" + command.substr(port, 4) + " "));
  }
}

TEST(ComposeTest, ARoleThatHangsIsUnhealthyAndTheOthersAreNot) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  const Network network({"driver", "server"});
  if (!network.ok()) GTEST_SKIP() << "this machine makes no network namespaces (ip netns, veth)";
  const auto commands = compose_values("command");
  const auto checks = compose_health_checks();
  const DigitsFolder digits(600, 100);
  Process driver(network.arguments("driver", commands.at("driver"), digits.path()));
  Process server(network.arguments("server", commands.at("server"), digits.path()));
  const auto healthy = [&](const std::string& host) { return network.runs(host, checks.at(host)); };
  ASSERT_TRUE(driver.wait_for_output("listening", 60s)) << driver.output();
  ASSERT_TRUE(server.wait_for_output("joined", 60s)) << server.output();
  EXPECT_TRUE(healthy("driver"));
  EXPECT_TRUE(healthy("server"));
  driver.signal(SIGSTOP);
  EXPECT_FALSE(healthy("driver"));  // its kernel still takes connections
  EXPECT_TRUE(healthy("server"));
}

// A slow and lossy network costs time, not samples.
TEST(ComposeTest, DelayAndLossChangeNoCount) {
  if (geteuid() != 0) GTEST_SKIP() << "network namespaces need root";
  const Network network({"driver", "server", "worker1", "worker2"});
  if (!network.ok()) GTEST_SKIP() << "this machine makes no network namespaces (ip netns, veth)";
  for (const char* host : {"server", "worker1", "worker2"}) {
    if (!network.in(host, "tc qdisc add dev eth0 root netem delay 2ms 1ms loss 0.5%")) {
      GTEST_SKIP() << "this kernel has no netem";
    }
  }
  const DigitsFolder digits(320, 50);
  const auto start = [&](const std::string& host, const std::string& command) {
    return std::make_unique<Process>(network.arguments(host, command, digits.path()));
  };
  const auto driver = start("driver",
                            "sluice driver --listen 0.0.0.0:7070 --workers 2 --epochs 2 "
                            "--report report.json --verbose 2");
  const auto server = start("server", "sluice server --driver driver:7070 --listen 10.77.0.2:7071");
  const auto worker1 = start("worker1", "sluice worker --driver driver:7070");
  const auto worker2 = start("worker2", "sluice worker --driver driver:7070");
  EXPECT_EQ(driver->wait(240s), 0) << driver->output() << server->output() << worker1->output();
  std::ifstream file(digits.path() + "/report.json");
  const auto report = nlohmann::json::parse(file);
  EXPECT_EQ(report["samples_trained"], 640);
  EXPECT_EQ(report["server_updates"], 2 * 4);
}

}  // namespace
}  // namespace sluice
