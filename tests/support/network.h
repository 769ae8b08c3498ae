// Hosts of their own on one machine: network namespaces, each with its own address, joined by a
// bridge. Needs root; includes tests that know SLUICE_BINARY_DIR.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/process.h"

namespace sluice::testing_support {

inline bool run(const std::string& command) {
  Process process({"sh", "-c", command});
  const int status = process.wait(std::chrono::seconds(20));
  return status == 0;
}

// Hosts 10.77.0.1, 10.77.0.2, ... behind a bridge in a namespace of its own.
class Network {
 public:
  enum class Names {
    kKnown,    // every host knows all others by name
    kUnknown,  // every host knows no name but its own, as 127.0.1.1: Debian's default
  };

  explicit Network(const std::vector<std::string>& hosts, Names names = Names::kKnown)
      : hosts_(hosts) {
    ok_ = run("ip netns add " + name("switch")) && in("switch", "ip link add br0 type bridge") &&
          in("switch", "ip link set br0 up");
    std::string table = "127.0.0.1 localhost\n";
    for (size_t i = 0; i < hosts.size(); ++i) {
      table += address(i) + " " + hosts[i] + "\n";
    }
    for (size_t i = 0; ok_ && i < hosts.size(); ++i) {
      const bool known = names == Names::kKnown;
      ok_ = add_host(i, known ? table : "127.0.0.1 localhost\n127.0.1.1 " + hosts[i] + "\n");
    }
  }
  Network(const Network&) = delete;
  ~Network() {
    for (const std::string& host : hosts_) {
      run("ip netns del " + name(host));
      std::filesystem::remove_all("/etc/netns/" + name(host));
    }
    run("ip netns del " + name("switch"));
  }

  bool ok() const { return ok_; }
  bool in(const std::string& host, const std::string& command) const {
    return run("ip netns exec " + name(host) + " " + command);
  }
  // Words on a host, as they are.
  bool runs(const std::string& host, const std::vector<std::string>& words) const {
    std::vector<std::string> all = {"ip", "netns", "exec", name(host)};
    all.insert(all.end(), words.begin(), words.end());
    Process process(all);
    return process.wait(std::chrono::seconds(20)) == 0;
  }
  // A command on a host that has its name, `sluice` being this build's, in `directory`.
  std::vector<std::string> arguments(const std::string& host, const std::string& command,
                                     const std::string& directory) const {
    return {"ip",
            "netns",
            "exec",
            name(host),
            "unshare",
            "--uts",
            "sh",
            "-c",
            "hostname " + host + " && cd " + directory +
                " && PATH=" SLUICE_BINARY_DIR "/bin:$PATH SLUICE_DATA_DIR=" + directory + " exec " +
                command};
  }

 private:
  static std::string address(size_t i) { return "10.77.0." + std::to_string(i + 1); }
  std::string name(const std::string& host) const {
    return "sluice-" + std::to_string(getpid()) + "-" + host;
  }

  bool add_host(size_t i, const std::string& table) {
    const std::string space = name(hosts_[i]);
    const std::string port = "port" + std::to_string(i);
    std::filesystem::create_directories("/etc/netns/" + space);
    std::ofstream("/etc/netns/" + space + "/hosts") << table;
    std::ofstream("/etc/netns/" + space + "/resolv.conf") << "nameserver 127.0.0.1\n";
    return run("ip netns add " + space) &&
           run("ip -n " + name("switch") + " link add " + port +
               " type veth peer name eth0 netns " + space) &&
           in("switch", "ip link set " + port + " master br0 up") &&
           in(hosts_[i], "ip addr add " + address(i) + "/24 dev eth0") &&
           in(hosts_[i], "ip link set eth0 up") && in(hosts_[i], "ip link set lo up");
  }

  std::vector<std::string> hosts_;
  bool ok_ = false;
};

}  // namespace sluice::testing_support
