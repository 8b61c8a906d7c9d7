// Where results go, and that nothing on the way is lost.
#include <sys/stat.h>

#include "tests/support.h"
#include "tools/upscale/jobs.h"

namespace tessera::upscale {
namespace {

namespace fs = std::filesystem;

int64_t count_files(const fs::path& folder) {
  int64_t files = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) files += entry.is_regular_file();
  return files;
}

std::string refusal(const std::vector<fs::path>& in, const fs::path& out, const JobOptions& options = {}) {
  try {
    list_jobs(in, out, options);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Error::Kind::usage) << error.what();
    return error.what();
  }
  return "";
}

struct UpscaleFiles : testing::Test {
  const test::TemporaryFolder folder;
  const fs::path root = folder.path(), in = root / "in", out = root / "out";

  void make(const fs::path& file, size_t size = 1) { write_file(file, Bytes(size)); }
  std::vector<fs::path> results(const JobOptions& options = {}) {
    std::vector<fs::path> names;
    for (const Job& job : list_jobs({in}, out, options).jobs) names.push_back(job.out.lexically_relative(out));
    return names;
  }
};

TEST_F(UpscaleFiles, writing_leaves_nothing_half_done) {
  const fs::path target = root / "a" / "out.png";
  const Bytes bytes(1000, std::byte{7});
  write_file(target, bytes);
  EXPECT_EQ(read_file(target), bytes);
  write_file(target, Bytes(10));
  EXPECT_EQ(read_file(target).size(), 10u);
  fs::create_directory(root / "dir");
  EXPECT_THROW(write_file(root / "dir", bytes), Error);
  EXPECT_THROW(read_file(root / "none"), Error);
  EXPECT_EQ(count_files(root), 1);
}

TEST_F(UpscaleFiles, a_new_file_has_its_name_only_in_the_end) {
  make(in / "old.png", 5);
  {
    std::vector<NewFile> files;
    for (const char* name : {"old.png", "new.png", "never.png"}) files.emplace_back(in / name, Bytes(9));
    NewFile::flush_all(std::vector<const NewFile*>{&files[0], &files[1], &files[2]});
    EXPECT_EQ(read_file(in / "old.png").size(), 5u);
    files[0].publish();
    files[1].publish();
  }
  EXPECT_EQ(read_file(in / "old.png").size(), 9u);
  EXPECT_EQ(read_file(in / "new.png").size(), 9u);
  EXPECT_EQ(count_files(root), 2);
}

TEST_F(UpscaleFiles, what_came_meanwhile_is_not_replaced) {
  WriteOptions options;
  options.replace = false;
  NewFile file(root / "a.png", Bytes(9), options);
  make(root / "a.png", 5);
  EXPECT_THROW(file.publish(), Error);
  EXPECT_EQ(read_file(root / "a.png").size(), 5u);
  EXPECT_EQ(count_files(root), 1);
}

TEST_F(UpscaleFiles, names_may_have_255_bytes) {
  const fs::path file = root / (std::string(251, 'a') + ".png");
  make(file);
  make(file, 2);  // over the old one, which takes a name for the time between
  EXPECT_EQ(read_file(file).size(), 2u);
  EXPECT_EQ(list_jobs({file}, out / "", {}).jobs.size(), 1u);
  const fs::path longer = root / (std::string(252, 'a') + ".png");
  const JobList list = list_jobs({file}, longer, {});
  ASSERT_EQ(list.failures.size(), 1u);
  EXPECT_NE(list.failures[0].error.find("too long"), std::string::npos) << list.failures[0].error;
}

TEST_F(UpscaleFiles, a_result_has_the_permissions_of_its_source) {
  make(in / "a.png");
  ASSERT_EQ(::chmod((in / "a.png").c_str(), 0640), 0);
  const JobList list = list_jobs({in}, out, {});
  ASSERT_EQ(list.jobs.size(), 1u);
  write_file(list.jobs[0].out, Bytes(1), list.jobs[0].write);
  struct stat status {};
  ASSERT_EQ(::stat((out / "a.png").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0640u);
}

TEST_F(UpscaleFiles, a_result_is_named_after_its_source_alone) {
  for (const char* name : {"a.jpg", "b.WEBP", "c.d.png", "notes.txt", "sub/c.png", ".hidden.png"}) make(in / name);
  EXPECT_EQ(results(), (std::vector<fs::path>{"a.png", "b.png", "c.d.png"}));
  EXPECT_EQ(list_jobs({in}, out, {}).notes.size(), 1u);
  JobOptions options;
  options.full_names = true;
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.jpg.png", "b.WEBP.png", "c.d.png.png"}));
  options = {};
  options.recursive = true;
  options.format = Format::jpeg;
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.jpg", "b.jpg", "c.d.jpg", "sub/c.jpg"}));
}

TEST_F(UpscaleFiles, resuming_leaves_out_what_is_there) {
  for (const char* name : {"a.jpg", "sub/c.png"}) make(in / name);
  make(out / "sub" / "c.png");
  JobOptions options;
  options.recursive = options.resume = true;
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.png"}));
  EXPECT_EQ(list_jobs({in}, out, options).present, 1);
  // A picture that comes later is not taken for done because another has its result.
  make(in / "sub" / "c.jpg");
  EXPECT_NE(refusal({in}, out, options), "");
}

TEST_F(UpscaleFiles, two_sources_never_share_a_result) {
  make(in / "a.jpg");
  make(in / "a.png");
  const std::string why = refusal({in}, out);
  for (const char* part : {"a.jpg and ", "in/a.png would both", "out/a.png", "--full-names"})
    EXPECT_NE(why.find(part), std::string::npos) << part << ": " << why;
  JobOptions options;
  options.overwrite = true;
  EXPECT_NE(refusal({in}, in, options), "");
  options.full_names = true;
  EXPECT_EQ(results(options).size(), 2u);
  // Full names are told apart whatever the sources are called.
  make(in / "a.jpg.png");
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.jpg.png", "a.jpg.png.png", "a.png.png"}));
  // Also by way of several inputs, and of links among the results.
  make(root / "x" / "b.png");
  make(root / "y" / "b.png");
  EXPECT_NE(refusal({root / "x", root / "y"}, out), "");
  fs::create_directories(out / "real");
  fs::create_symlink("real", out / "link");
  make(root / "z" / "real" / "b.png");
  make(root / "z" / "link" / "b.png");
  options = {};
  options.recursive = true;
  EXPECT_NE(refusal({root / "z"}, out, options), "");
  fs::remove(out / "link");
  EXPECT_EQ(refusal({root / "z"}, out, options), "");
}

TEST_F(UpscaleFiles, no_result_replaces_a_source) {
  make(in / "a.jpg");
  make(in / "b.png");
  fs::create_directory(out);
  for (const bool hard : {false, true}) {
    // The result of a.jpg has the name of something that is b.png.
    hard ? fs::create_hard_link(in / "b.png", out / "a.png") : fs::create_symlink(in / "b.png", out / "a.png");
    for (const bool overwrite : {false, true}) {
      JobOptions options;
      options.overwrite = overwrite;
      EXPECT_NE(refusal({in}, out, options).find("would be replaced by the result of"), std::string::npos);
    }
    fs::remove(out / "a.png");
  }
  JobOptions options;
  options.resume = true;
  EXPECT_NE(refusal({in / "b.png"}, in / "b.png"), "");
  EXPECT_NE(refusal({in / "b.png"}, in / ".." / "in" / "b.png", options), "") << "a source is not its own result";
  EXPECT_NE(refusal({in}, in), "");
  options = {};
  options.overwrite = true;
  EXPECT_EQ(list_jobs({in / "b.png"}, in / "b.png", options).jobs.size(), 1u);
}

TEST_F(UpscaleFiles, one_source_given_twice_is_made_once) {
  make(in / "a.png");
  EXPECT_EQ(list_jobs({in, in / "a.png", in / ".." / "in" / "a.png"}, out, {}).jobs.size(), 1u);
}

TEST_F(UpscaleFiles, several_inputs_go_into_a_folder) {
  for (const char* name : {"in/a.png", "in/sub/b.png", "c.jpg"}) make(root / name);
  JobOptions options;
  options.recursive = true;
  EXPECT_EQ(list_jobs({in, root / "c.jpg"}, out, options).jobs.size(), 3u);
  EXPECT_NE(refusal({in, root / "c.jpg"}, root / "c.jpg"), "");
  EXPECT_NE(refusal({in, root / "c.jpg"}, "-"), "");
  EXPECT_NE(refusal({in}, root / "x.png").find("x.png"), std::string::npos);
  EXPECT_EQ(refusal({in}, root / "x.png/"), "");
  EXPECT_NE(refusal({in / "a.png"}, root / "x.gif"), "");
}

TEST_F(UpscaleFiles, what_cannot_be_written_is_known_at_once) {
  make(in / "a.png");
  make(root / "file");
  fs::create_directories(out / "a.png");
  for (const auto& [to, why] : {std::pair{out, "is a folder"}, {root / "file" / "x", "Not a directory"}}) {
    const JobList list = list_jobs({in}, to, {});
    ASSERT_EQ(list.failures.size(), 1u);
    EXPECT_NE(list.failures[0].error.find(why), std::string::npos) << list.failures[0].error;
    EXPECT_TRUE(list.jobs.empty());
  }
}

TEST_F(UpscaleFiles, links_to_nothing_fail_where_they_look_like_pictures) {
  make(in / "a.png");
  fs::create_symlink("nothing", in / "b.png");
  fs::create_symlink("nothing", in / "lock");
  const JobList list = list_jobs({in}, out, {});
  EXPECT_EQ(list.jobs.size(), 1u);
  EXPECT_EQ(list.failures.size(), 1u);
  EXPECT_EQ(list.notes.size(), 1u);
}

TEST_F(UpscaleFiles, closed_folders_are_known_at_once) {
  if (::geteuid() == 0) GTEST_SKIP() << "skipped: no folder is closed to the superuser";
  make(in / "a.png");
  fs::create_directory(root / "closed");
  fs::permissions(root / "closed", fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_EQ(list_jobs({in}, root / "closed" / "new", {}).failures.size(), 1u);
  fs::permissions(in, fs::perms::none);
  const JobList list = list_jobs({in}, out, {});
  fs::permissions(in, fs::perms::owner_all);
  ASSERT_EQ(list.failures.size(), 1u);
  EXPECT_NE(list.failures[0].error.find("cannot be listed"), std::string::npos);
}

}  // namespace
}  // namespace tessera::upscale
