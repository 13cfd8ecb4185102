#pragma once

namespace ember::agent {

// A client that is being served. Destroying it ends what was done for the client.
class Connection {
 public:
  virtual ~Connection() = default;
};

}  // namespace ember::agent
