#include "base/threads.h"

#include <atomic>
#include <thread>

namespace sori {
namespace {

TEST(ParallelFor, VisitsEachIndexOnce) {
  std::vector<std::atomic<int>> visits(1001);
  parallel_for(1001, [&](std::int64_t i) { ++visits[static_cast<std::size_t>(i)]; });
  for (const auto& v : visits) EXPECT_EQ(v, 1);
  parallel_for(0, [](std::int64_t) { FAIL(); });
}

TEST(ParallelFor, ThrowsAgainWhatABodyThrew) {
  EXPECT_THROW(parallel_for(100,
                            [](std::int64_t i) {
                              if (i == 57) throw std::runtime_error("57");
                            }),
               std::runtime_error);
}

TEST(BoundedQueue, GivesWhatItGotInOrderAndHoldsNoMoreThanItsCapacity) {
  BoundedQueue<int> queue(2);
  std::atomic<int> pushed{0};
  std::jthread loader([&] {
    for (int i = 0; i < 100; ++i) {
      queue.push(i);
      ++pushed;
    }
    queue.close();
  });
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(queue.pop(), i);
    EXPECT_LE(pushed, i + 4) << "taken, two in the queue, and one whose count came first";
  }
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(BoundedQueue, LetsBothSidesGoWhenClosed) {
  BoundedQueue<int> queue(1);
  EXPECT_TRUE(queue.push(1));
  bool accepted = true;
  std::jthread loader([&] { accepted = queue.push(2); });
  queue.close();
  loader.join();
  EXPECT_FALSE(accepted);
  EXPECT_EQ(queue.pop(), 1) << "what was in is not lost";
  EXPECT_EQ(queue.pop(), std::nullopt);
}

}  // namespace
}  // namespace sori
