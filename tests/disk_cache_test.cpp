// What is kept on disk between runs: whatever is wrong with a file, it is a miss.

#include "runtime/base/disk_cache.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace tessera::test {
namespace {

namespace fs = std::filesystem;

class DiskCache : public testing::Test {
 protected:
  void SetUp() override {
    if (const char* before = std::getenv("TESSERA_CACHE")) before_ = before;
    folder_ = fs::path(testing::TempDir()) / cat("tessera-cache-", ::getpid());
    fs::remove_all(folder_);
    setenv("TESSERA_CACHE", folder_.c_str(), 1);
  }
  void TearDown() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
    before_.empty() ? unsetenv("TESSERA_CACHE") : setenv("TESSERA_CACHE", before_.c_str(), 1);
  }
  fs::path file(const char* name) const { return folder_ / name; }

  fs::path folder_;
  std::string before_;
};

List<std::byte> bytes_of(const std::string& text) { return std::as_bytes(List<char>(text)); }
std::string text_of(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST_F(DiskCache, GivesBackWhatWasStoredAndLeavesNothingElse) {
  EXPECT_TRUE(load_cached("a").empty());
  EXPECT_TRUE(store_cached("a", bytes_of("first")));
  EXPECT_TRUE(store_cached("a", bytes_of("second")));
  EXPECT_EQ(text_of(load_cached("a")), "second");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

TEST_F(DiskCache, AFileThatIsTruncatedForeignOrChangedIsAMiss) {
  ASSERT_TRUE(store_cached("a", bytes_of("some bytes to keep")));
  std::ifstream whole(file("a"), std::ios::binary);
  const std::string good{std::istreambuf_iterator<char>(whole), {}};
  const auto put = [&](const std::string& text) { std::ofstream(file("a"), std::ios::binary) << text; };
  for (size_t size = 0; size < good.size(); ++size) {
    put(good.substr(0, size));
    EXPECT_TRUE(load_cached("a").empty()) << size;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] ^= 1;
    put(changed);
    EXPECT_TRUE(load_cached("a").empty()) << i;
  }
  put(good + '!');
  EXPECT_TRUE(load_cached("a").empty());
  put(std::string(4096, 'x'));
  EXPECT_TRUE(load_cached("a").empty());
  put(good);
  EXPECT_EQ(text_of(load_cached("a")), "some bytes to keep");
}

TEST_F(DiskCache, AFolderThatCannotBeWrittenKeepsNothing) {
  std::ofstream(folder_.string()) << "a file where the folder belongs";
  EXPECT_FALSE(store_cached("a", bytes_of("x")));
  EXPECT_TRUE(load_cached("a").empty());
  Remembered remembered("answers");
  remembered.set("key", "value");
  EXPECT_EQ(remembered.find("key"), "value");  // for this process
  fs::remove(folder_);
  fs::create_directories(file("a"));  // a folder where the file belongs
  EXPECT_FALSE(store_cached("a", bytes_of("x")));
  EXPECT_TRUE(load_cached("a").empty());
}

TEST_F(DiskCache, RemembersWhatOthersAdded) {
  Remembered first("answers"), second("answers");
  EXPECT_FALSE(first.find("a"));
  first.set("a", "1");
  second.set("b", "two words");
  first.set("a", "3");
  const Remembered later("answers");
  EXPECT_EQ(later.find("a"), "3");
  EXPECT_EQ(later.find("b"), "two words");
}

TEST_F(DiskCache, ManyWritersLeaveAWholeFile) {
  std::vector<std::thread> threads;
  for (char letter = 'a'; letter < 'e'; ++letter)
    threads.emplace_back([letter] {
      for (int i = 0; i < 50; ++i) {
        store_cached("a", bytes_of(std::string(1000, letter)));
        const std::string read = text_of(load_cached("a"));
        EXPECT_EQ(read, std::string(1000, read.at(0)));
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tessera::test
