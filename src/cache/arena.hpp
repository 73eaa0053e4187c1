#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cache/system_memory.hpp"

namespace anteroom::cache {

/// Names a piece of memory in an Arena. 0 is none.
enum class Slot : std::uint32_t {};
inline constexpr Slot kNoSlot{0};

/// Memory of one shard's entries: pages cut into slots of one size class each, so that what is given back can be used
/// again by any entry of that class, and a slot is named by 32 bits. A page that becomes empty goes back to the system
/// (one is kept, so that a single entry coming and going is no system call each time). Classes are 16 bytes apart up to
/// 256 bytes and at most 12.5 % above. No locks: guarded by the shard's mutex. Moves nothing by itself; pages do not
/// move. Under AddressSanitizer slots are poisoned while they are free.
class Arena {
 public:
  static constexpr std::size_t kSlotBytesMax = 8 * 1024;

  /// Slots can name 64 GiB of pages. `memory` outlives it.
  explicit Arena(PageSource& memory);
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Slot size that allocate(size) will use. REQUIRES: 0 < size <= kSlotBytesMax.
  [[nodiscard]] static std::size_t slot_bytes_for(std::size_t size) noexcept;
  /// A slot of at least `size` bytes, 16-aligned, contents undefined. kNoSlot if that takes a page into use and
  /// `pages_max` are in use already (the kept one is not; if there are more than `pages_max` with it, it goes back to
  /// the system), or if the system has no memory.
  [[nodiscard]] Slot allocate(std::size_t size, std::size_t pages_max);
  void free(Slot slot) noexcept;

  /// REQUIRES: `slot` is allocated.
  [[nodiscard]] char* at(Slot slot) noexcept { return address(slot); }
  [[nodiscard]] const char* at(Slot slot) const noexcept { return address(slot); }
  [[nodiscard]] std::size_t slot_bytes(Slot slot) const noexcept { return pages_[page_of(slot)].slot_bytes; }

  [[nodiscard]] std::size_t page_bytes() const noexcept { return page_bytes_; }
  /// Pages that hold something, and the kept one.
  [[nodiscard]] std::size_t pages() const noexcept { return pages_in_use_ + (kept_ != 0 ? 1 : 0); }
  /// Memory taken from the system: pages, and the arena's own tables. O(1).
  [[nodiscard]] std::size_t bytes() const noexcept;
  /// Sum of the sizes of allocated slots.
  [[nodiscard]] std::size_t used_bytes() const noexcept { return used_bytes_; }

  /// A page that can be emptied by moving its slots to free slots of other pages of its class: the one with the fewest
  /// slots in use in the class with the most free memory. Appends its allocated slots to `slots`; false if there is
  /// none. The caller allocates a new place for each (allocate() never hands out slots of the page being emptied until
  /// end_emptying()), copies, and frees the old one. No more than 64 pages are looked at.
  /// REQUIRES: end_emptying() was called since the last begin_emptying() that said true.
  [[nodiscard]] bool begin_emptying(std::vector<Slot>& slots);
  void end_emptying() noexcept;

  /// Visits allocated slots in the order of their names, `budget` places (allocated or not) from `cursor` on, for
  /// sweeping; `cursor` is opaque, 0 at first, and is set to 0 when the end was reached, where the call stops. Slots
  /// may be freed by the visitor.
  template <typename Visitor>
  void sweep(std::uint64_t& cursor, std::size_t budget, Visitor&& visit);

  /// Aborts if the tables disagree. For tests.
  void check_invariants() const;

 private:
  using PageNumber = std::uint32_t;              // 0 is none
  using SlotNumber = std::uint32_t;              // of a slot in its page, in the order of memory
  static constexpr std::size_t kUnitBytes = 16;  // a Slot is a page number and an offset in these units
  static constexpr std::size_t kClasses = 56;
  static constexpr SlotNumber kNoSlotNumber = UINT32_MAX;

  struct Page {
    std::unique_ptr<std::uint64_t[]> allocated;  // a bit per slot
    std::uint32_t slot_bytes = 0;
    std::uint32_t slots = 0;  // 0: an unused number, or the kept page
    std::uint32_t used = 0;
    std::uint32_t fresh = 0;                // slots from here on were never handed out, so are in no list
    SlotNumber first_free = kNoSlotNumber;  // list through the first bytes of free slots
    PageNumber previous = 0;                // list of the class's pages with free slots, or `next` of unused numbers
    PageNumber next = 0;
    std::uint32_t class_number = 0;
  };
  struct Class {
    PageNumber first = 0;  // of the pages with free slots but the one being emptied
    PageNumber last = 0;
    std::size_t free_slots = 0;  // in all pages of the class
  };

  [[nodiscard]] static std::uint32_t class_for(std::size_t size) noexcept;
  [[nodiscard]] PageNumber page_of(Slot slot) const noexcept { return static_cast<std::uint32_t>(slot) >> unit_bits_; }
  [[nodiscard]] char* address(Slot slot) const noexcept {
    return bases_[page_of(slot)] + (static_cast<std::uint32_t>(slot) & unit_mask_) * kUnitBytes;
  }
  [[nodiscard]] Slot slot_at(PageNumber number, SlotNumber slot) const noexcept;
  [[nodiscard]] static bool is_allocated(const Page& page, SlotNumber slot) noexcept {
    return (page.allocated[slot / 64] >> (slot % 64) & 1) != 0;
  }

  [[nodiscard]] PageNumber open_page(std::uint32_t class_number, std::size_t pages_max);
  [[nodiscard]] PageNumber map_page();
  void close_page(PageNumber number) noexcept;
  void unmap_page(PageNumber number) noexcept;
  void link(PageNumber number) noexcept;
  void unlink(PageNumber number) noexcept;
  [[nodiscard]] SlotNumber next_free(PageNumber number, SlotNumber slot) const noexcept;
  void check_page(PageNumber number) const;
  void check_class(std::uint32_t class_number) const;

  PageSource& memory_;
  const std::size_t page_bytes_;
  const std::uint32_t unit_bits_;
  const std::uint32_t unit_mask_;

  std::vector<char*> bases_;  // by page number; apart from pages_, because at() needs nothing else
  std::vector<Page> pages_;   // by page number
  std::array<Class, kClasses> classes_{};
  PageNumber kept_ = 0;
  PageNumber emptying_ = 0;
  PageNumber unused_numbers_ = 0;
  std::size_t pages_in_use_ = 0;
  std::size_t used_bytes_ = 0;
  std::size_t bitmap_bytes_ = 0;
};

template <typename Visitor>
void Arena::sweep(std::uint64_t& cursor, std::size_t budget, Visitor&& visit) {
  auto number = static_cast<PageNumber>(cursor >> 32);
  auto slot = static_cast<SlotNumber>(cursor);
  for (; budget > 0; --budget) {
    // Looked up again for each slot, because the visitor may have freed the page's last one. An unused number counts as
    // one place, so that the call stays short whatever the table looks like.
    if (number < pages_.size() && slot < pages_[number].slots && is_allocated(pages_[number], slot)) {
      visit(slot_at(number, slot));
    }
    if (number >= pages_.size()) break;
    if (++slot >= pages_[number].slots) {
      ++number;
      slot = 0;
    }
  }
  cursor = number < pages_.size() ? static_cast<std::uint64_t>(number) << 32 | slot : 0;
}

}  // namespace anteroom::cache
