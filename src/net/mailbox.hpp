#pragma once

#include <memory>

#include "net/event_loop.hpp"

namespace anteroom::net {

/// The door into a loop for other threads: tasks posted anywhere run on the loop thread, in the order in which they
/// were posted, and many posts cost one wake-up. Made and destroyed on the loop thread, or while the loop does not run.
///
/// Tasks that have not run when the mailbox dies are destroyed unrun by its destructor; later ones by the poster. Not
/// bounded by itself: who posts must have a limit on what it has under way.
class Mailbox {
  struct Inbox;

 public:
  /// A way to post that may outlive the mailbox, for threads whose end nobody waits for. Copyable, any thread.
  class Sender {
   public:
    /// False, with `task` destroyed unrun, once the mailbox is gone.
    bool post(EventLoop::Task task) const;

   private:
    friend class Mailbox;
    explicit Sender(std::shared_ptr<Inbox> inbox) noexcept : inbox_(std::move(inbox)) {}
    std::shared_ptr<Inbox> inbox_;
  };

  explicit Mailbox(EventLoop& loop);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  /// Any thread, the loop's own among them; `task` never runs inside. A task posted by a task runs in a later turn.
  void post(EventLoop::Task task) const;
  [[nodiscard]] Sender sender() const noexcept { return Sender(inbox_); }

 private:
  void deliver();

  const std::shared_ptr<Inbox> inbox_;
  event* event_ = nullptr;
};

}  // namespace anteroom::net
