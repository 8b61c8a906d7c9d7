// Where results go, and that nothing on the way is lost.
#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <set>

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

JobList list_jobs(const std::vector<fs::path>& in, const fs::path& out, const JobOptions& options) {
  Ledger ledger(0);
  return list_jobs(in, out, options, ledger);
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
    NewFile::flush_all({&files[0], &files[1], &files[2]});
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
  // Where the folder is still to be made, too, or its own name cannot be given.
  for (const fs::path& to : {root / "new" / "folder" / longer.filename(), root / std::string(256, 'f') / "a.png"}) {
    const JobList none = list_jobs({file}, to, {});
    ASSERT_EQ(none.failures.size(), 1u) << to;
    EXPECT_NE(none.failures[0].error.find("too long"), std::string::npos) << none.failures[0].error;
  }
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
  EXPECT_EQ(results(), (std::vector<fs::path>{"a.jpg.png", "b.WEBP.png", "c.d.png"}));
  EXPECT_EQ(list_jobs({in}, out, {}).notes.size(), 1u);
  JobOptions options;
  options.short_names = true;
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.png", "b.png", "c.d.png"}));
  options = {};
  options.recursive = true;
  options.format = Format::jpeg;
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.jpg", "b.WEBP.jpg", "c.d.png.jpg", "sub/c.png.jpg"}));
}

TEST_F(UpscaleFiles, no_two_pictures_have_results_of_one_name) {
  const std::vector<std::string> endings = {".png", ".jpg", ".jpeg", ".webp", ".PNG", ".JPG"};
  std::vector<std::string> names;
  for (const std::string& first : endings) {
    names.push_back("a" + first);
    for (const std::string& second : endings) {
      names.push_back("a" + first + second);
      for (const std::string& third : endings) names.push_back("a" + first + second + third);
    }
  }
  for (const Format format : {Format::png, Format::jpeg, Format::webp}) {
    std::set<std::string> made;
    for (const std::string& name : names) made.insert(result_name(name, format, false));
    EXPECT_EQ(made.size(), names.size()) << extension_of(format);
  }
  EXPECT_EQ(result_name("a.JPG", Format::jpeg, false), "a.JPG");
  EXPECT_EQ(result_name("a.jpg.png", Format::png, false), "a.jpg.png.png");
}

TEST_F(UpscaleFiles, shards_share_all_pictures_whatever_is_added) {
  const auto shards = [&] {
    std::map<fs::path, int64_t> of;
    for (int64_t shard = 1; shard <= 3; ++shard) {
      JobOptions options;
      options.shard = shard;
      options.shards = 3;
      const JobList list = list_jobs({in}, out, options);
      for (const Job& job : list.jobs) EXPECT_TRUE(of.emplace(job.in, shard).second) << job.in;
      EXPECT_GT(list.jobs.size(), 4u);
      EXPECT_GT(list.elsewhere, 0);
    }
    return of;
  };
  for (int i = 10; i < 50; ++i) make(in / cat(i, ".png"));
  const auto before = shards();
  EXPECT_EQ(before.size(), 40u);
  for (int i = 50; i < 60; ++i) make(in / cat(i - 49, ".jpg"));
  const auto after = shards();
  EXPECT_EQ(after.size(), 50u);
  for (const auto& [path, shard] : before) EXPECT_EQ(after.at(path), shard) << path;
}

/// A cache folder of its own, and results that a ledger knows.
struct UpscaleLedger : UpscaleFiles {
  void SetUp() override {
    ::setenv("TESSERA_CACHE", (root / "cache").c_str(), 1);
    make(in / "a.png", 100);
    make(out / "a.png", 200);
    remember(7);
  }
  void TearDown() override { ::unsetenv("TESSERA_CACHE"); }
  void remember(uint64_t recipe) { Ledger(recipe).add(in / "a.png", Ledger::look(in / "a.png"), out / "a.png"); }
  Ledger::Standing standing(uint64_t recipe = 7) { return Ledger(recipe).standing(in / "a.png", out / "a.png"); }
  static void change(const fs::path& file, size_t at) {
    Bytes bytes = read_file(file);
    bytes[at] ^= std::byte{1};
    struct stat status {};
    ::stat(file.c_str(), &status);
    std::ofstream(file, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    const timespec times[] = {status.st_atim, status.st_mtim};
    ::utimensat(AT_FDCWD, file.c_str(), times, 0);  // as if it had not been touched
  }
};

TEST_F(UpscaleLedger, a_result_is_trusted_if_it_would_be_made_again_just_so) {
  using Standing = Ledger::Standing;
  EXPECT_EQ(standing(), Standing::good);
  EXPECT_EQ(standing(8), Standing::recipe);
  EXPECT_TRUE(Ledger(8).is_result(out / "a.png"));
  EXPECT_FALSE(Ledger(7).is_result(in / "a.png"));
  EXPECT_EQ(Ledger(7).standing(in / "a.png", out / "b.png"), Standing::unknown);
  change(out / "a.png", 50);
  EXPECT_EQ(standing(), Standing::changed);
  change(out / "a.png", 50);
  EXPECT_EQ(standing(), Standing::good) << "the same bytes as before";
  change(in / "a.png", 99);
  EXPECT_EQ(standing(), Standing::source);
  remember(7);
  EXPECT_EQ(standing(), Standing::good);
  fs::resize_file(out / "a.png", 199);
  EXPECT_EQ(standing(), Standing::changed);
}

TEST_F(UpscaleLedger, a_source_that_changes_on_the_way_is_not_remembered) {
  const Seen before = Ledger::look(in / "a.png");
  make(in / "a.png", 101);
  make(out / "a.png", 201);
  Ledger(7).add(in / "a.png", before, out / "a.png");
  EXPECT_NE(standing(), Ledger::Standing::good);
}

TEST_F(UpscaleLedger, damaged_lines_are_no_answers) {
  const fs::path file = root / "cache" / "results";
  change(file, 20);
  EXPECT_EQ(standing(), Ledger::Standing::unknown);
  remember(7);
  EXPECT_EQ(standing(), Ledger::Standing::good);
  fs::resize_file(file, fs::file_size(file) - 3);
  EXPECT_EQ(standing(), Ledger::Standing::unknown);
  make(file, 100'000);
  EXPECT_EQ(standing(), Ledger::Standing::unknown);
}

TEST_F(UpscaleLedger, the_last_of_many_lines_holds) {
  const fs::path file = root / "cache" / "results";
  {
    Ledger ledger(9);
    const Seen source = Ledger::look(in / "a.png");
    for (int i = 0; i < 10'001; ++i) ledger.add(in / "a.png", source, out / "a.png");
  }
  const auto size = fs::file_size(file);
  EXPECT_EQ(standing(9), Ledger::Standing::good);
  EXPECT_LT(fs::file_size(file), size / 100);
  EXPECT_EQ(standing(9), Ledger::Standing::good);
}

TEST_F(UpscaleLedger, resuming_leaves_out_what_is_known) {
  make(in / "b.jpg");
  make(out / "b.jpg.png");  // by somebody else
  JobOptions options;
  options.resume = true;
  const auto resume = [&] {
    Ledger ledger(7);
    return list_jobs({in}, out, options, ledger);
  };
  JobList list = resume();
  ASSERT_EQ(list.jobs.size(), 1u);
  EXPECT_EQ(list.jobs[0].out, out / "b.jpg.png");
  EXPECT_TRUE(list.jobs[0].write.replace);
  EXPECT_EQ(list.present, 1);
  ASSERT_EQ(list.notes.size(), 1u);
  EXPECT_NE(list.notes[0].find("made again, nothing is known"), std::string::npos) << list.notes[0];
  // A picture that comes later has a result of its own.
  make(in / "a.jpg");
  EXPECT_EQ(resume().jobs.size(), 2u);
}

TEST_F(UpscaleLedger, results_among_their_sources_are_no_sources) {
  make(in / "c.jpg");
  make(in / "c.jpg.png");
  Ledger ledger(7);
  ledger.add(in / "c.jpg", Ledger::look(in / "c.jpg"), in / "c.jpg.png");
  JobOptions options;
  options.overwrite = true;
  std::vector<fs::path> sources;
  for (const Job& job : list_jobs({in}, in, options, ledger).jobs) sources.push_back(job.in.filename());
  EXPECT_EQ(sources, (std::vector<fs::path>{"a.png", "c.jpg"}));
}

TEST_F(UpscaleLedger, a_model_is_its_weights_too) {
  const auto text = [&](const fs::path& file, const std::string& text) {
    write_file(file, std::as_bytes(List<char>(text)));
  };
  text(root / "m.onnx", "... location w.bin ...");
  text(root / "w.bin", "weights");
  text(root / "other.bin", "weights");
  const uint64_t before = digest_of_model(root / "m.onnx");
  text(root / "other.bin", "more");
  EXPECT_EQ(digest_of_model(root / "m.onnx"), before);
  text(root / "w.bin", "others");
  EXPECT_NE(digest_of_model(root / "m.onnx"), before);
}

TEST_F(UpscaleFiles, two_sources_never_share_a_result) {
  make(in / "a.jpg");
  make(in / "a.png");
  EXPECT_EQ(results(), (std::vector<fs::path>{"a.jpg.png", "a.png"}));
  JobOptions options;
  options.short_names = true;
  const std::string why = refusal({in}, out, options);
  for (const char* part : {"a.jpg and ", "in/a.png would both", "out/a.png", "without --short-names"})
    EXPECT_NE(why.find(part), std::string::npos) << part << ": " << why;
  options = {};
  options.overwrite = true;
  EXPECT_EQ(refusal({in}, in, options), "");
  // Names are told apart whatever the sources are called.
  make(in / "a.jpg.png");
  EXPECT_EQ(results(options), (std::vector<fs::path>{"a.jpg.png", "a.jpg.png.png", "a.png"}));
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
    hard ? fs::create_hard_link(in / "b.png", out / "a.jpg.png") : fs::create_symlink(in / "b.png", out / "a.jpg.png");
    for (const bool overwrite : {false, true}) {
      JobOptions options;
      options.overwrite = overwrite;
      EXPECT_NE(refusal({in}, out, options).find("would be replaced by the result of"), std::string::npos);
    }
    fs::remove(out / "a.jpg.png");
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
  // Nobody makes files in /proc, the superuser neither.
  for (const auto& [to, why] : {std::pair{out, "is a folder"},
                                {root / "file" / "x", "Not a directory"},
                                {"/proc/new", "cannot be written to"}}) {
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
