#pragma once

#include <string>

#include "tests/guest-agent/framed_client.h"

// The requests about detached processes.
namespace ember::testing {

inline v1::ExecStart Detached(v1::ExecStart start, const std::string& tag) {
  start.mutable_detach()->set_tag(tag);
  return start;
}

// Starts one, which must work, and waits for the end of the session.
inline v1::ExecStarted Launch(const AgentProcess& agent, const v1::ExecStart& start) {
  FramedClient client(agent);
  v1::ExecStarted started = client.Start(start);
  CHECK_FALSE(client.Receive().has_value());
  return started;
}

inline v1::FollowProcess Following(const std::string& tag) {
  v1::FollowProcess follow;
  follow.set_tag(tag);
  follow.set_follow(true);
  return follow;
}

// Asks to follow and takes FollowStarted.
inline v1::FollowStarted Follow(FramedClient& client, const v1::FollowProcess& follow) {
  v1::ClientFrame frame;
  *frame.mutable_follow_process() = follow;
  client.Send(frame);
  const auto reply = client.Receive();
  REQUIRE(reply.has_value());
  INFO(reply->failure().message());
  REQUIRE(reply->has_follow_started());
  return reply->follow_started();
}

// Everything that a follower gets.
inline FramedClient::Outcome Follow(const AgentProcess& agent, const v1::FollowProcess& follow) {
  FramedClient client(agent);
  v1::ClientFrame frame;
  *frame.mutable_follow_process() = follow;
  client.Send(frame);
  return client.Finish();
}
// What is kept now.
inline FramedClient::Outcome Logs(const AgentProcess& agent, const std::string& tag) {
  v1::FollowProcess follow = Following(tag);
  follow.set_follow(false);
  return Follow(agent, follow);
}

inline FramedClient::Outcome SignalTagged(const AgentProcess& agent, const std::string& tag,
                                          uint32_t number, bool leader_only = false) {
  FramedClient client(agent);
  v1::ClientFrame frame;
  frame.mutable_signal_process()->set_tag(tag);
  frame.mutable_signal_process()->set_number(number);
  frame.mutable_signal_process()->set_leader_only(leader_only);
  client.Send(frame);
  return client.Finish();
}

inline v1::ProcessList ListOf(const AgentProcess& agent) {
  FramedClient client(agent);
  v1::ClientFrame frame;
  frame.mutable_list_processes();
  client.Send(frame);
  const auto outcome = client.Finish();
  REQUIRE(outcome.list.has_value());
  return *outcome.list;
}
// The entry of a tag, which must be there.
inline v1::Process EntryOf(const AgentProcess& agent, const std::string& tag) {
  const v1::ProcessList list = ListOf(agent);
  for (const v1::Process& process : list.processes()) {
    if (process.tag() == tag) return process;
  }
  FAIL("no process has the tag " << tag);
  return {};
}

}  // namespace ember::testing
