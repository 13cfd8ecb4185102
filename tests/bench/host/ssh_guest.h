#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/installation.h"
#include "tests/support/temp_dir.h"

namespace ember::bench {

// A Debian VM "ssh" that runs sshd behind a forward, and OpenSSH's clients set up to reach it: what
// Ember's own way into a VM is measured against. Its image is built once and kept beside the other
// prepared files. Everything else goes with the installation.
class SshGuest {
 public:
  // Whether OpenSSH's client programs are here.
  static bool IsPossible();

  // `ember` has a daemon that serves.
  explicit SshGuest(testing::Installation& ember);
  // Ends the shared connection.
  ~SshGuest();
  SshGuest(const SshGuest&) = delete;
  SshGuest& operator=(const SshGuest&) = delete;

  // `ssh VM WORDS` with a connection of its own.
  std::vector<std::string> Ssh(std::vector<std::string> words) const;
  // The same over a connection that is open already (ControlMaster).
  std::vector<std::string> SharedSsh(std::vector<std::string> words) const;
  // `scp -q WORDS`, over a connection of its own; a word may begin with "guest:".
  std::vector<std::string> Scp(std::vector<std::string> words) const;

 private:
  std::vector<std::string> Client(const std::string& program, bool shared) const;
  void PrepareImage();
  void StartServer();
  void WriteConfig(const std::string& port);

  testing::Installation& ember_;
  testing::TempDir dir_;
};

}  // namespace ember::bench
