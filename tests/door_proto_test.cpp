// The library that takes the place of ONNX Runtime's, used as a program uses it: loaded by name, asked for its table,
// and called by the places of its functions.
#include <dlfcn.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>

#include "tests/onnx_pen.h"
#include "tests/places.h"

namespace tessera::test {
namespace {

using Handle = void*;
using Status = void*;
using Function = void (*)();

struct Base {
  const Function* (*table)(uint32_t version);
  const char* (*version)();
};

/// The rows as this test knows them.
enum Place {
  CreateStatus = 0,
  GetErrorCode = 1,
  GetErrorMessage = 2,
  CreateEnv = 3,
  CreateSession = 7,
  CreateSessionFromArray = 8,
  RunSession = 9,
  CreateSessionOptions = 10,
  EnableProfiling = 14,
  SetGraphOptimizationLevel = 23,
  SetIntraOpNumThreads = 24,
  CreateCustomOpDomain = 26,
  CustomOpDomain_Add = 27,
  AddCustomOpDomain = 28,
  RegisterCustomOpsLibrary = 29,
  SessionGetInputCount = 30,
  SessionGetOutputCount = 31,
  SessionGetOverridableInitializerCount = 32,
  SessionGetInputTypeInfo = 33,
  SessionGetInputName = 36,
  SessionGetOverridableInitializerName = 38,
  CreateRunOptions = 39,
  RunOptionsSetTerminate = 46,
  RunOptionsUnsetTerminate = 47,
  CreateTensorAsOrtValue = 48,
  CreateTensorWithDataAsOrtValue = 49,
  GetTensorMutableData = 51,
  FillStringTensor = 52,
  GetStringTensorDataLength = 53,
  GetStringTensorContent = 54,
  CastTypeInfoToTensorInfo = 55,
  GetTensorElementType = 60,
  GetDimensionsCount = 61,
  GetDimensions = 62,
  GetSymbolicDimensions = 63,
  GetTensorShapeElementCount = 64,
  GetTensorTypeAndShape = 65,
  GetValueType = 67,
  CreateCpuMemoryInfo = 69,
  AllocatorFree = 76,
  GetAllocatorWithDefaultOptions = 78,
  GetValue = 80,
  GetValueCount = 81,
  CreateValue = 82,
  KernelInfoGetAttribute_float = 85,
  KernelInfoGetAttribute_int64 = 86,
  KernelInfoGetAttribute_string = 87,
  KernelContext_GetInput = 90,
  KernelContext_GetOutput = 91,
  ReleaseEnv = 92,
  ReleaseStatus = 93,
  ReleaseMemoryInfo = 94,
  ReleaseSession = 95,
  ReleaseValue = 96,
  ReleaseRunOptions = 97,
  ReleaseTypeInfo = 98,
  ReleaseTensorTypeAndShapeInfo = 99,
  ReleaseSessionOptions = 100,
  ReleaseCustomOpDomain = 101,
  SessionEndProfiling = 110,
  SessionGetModelMetadata = 111,
  ModelMetadataGetGraphName = 113,
  ModelMetadataLookupCustomMetadataMap = 116,
  ReleaseModelMetadata = 118,
  AddFreeDimensionOverrideByName = 124,
  AddSessionConfigEntry = 130,
  RunWithBinding = 133,
  CreateIoBinding = 134,
  ReleaseIoBinding = 135,
  BindInput = 136,
  BindOutput = 137,
  BindOutputToDevice = 138,
  GetBoundOutputValues = 140,
  AddInitializer = 150,
  AddExternalInitializers = 210,
  RegisterCustomOpsLibrary_V2 = 228,
  SessionOptionsAppendExecutionProvider = 216,
  GetSessionConfigEntry = 238,
  KernelInfoGetConstantInput_tensor = 249,
  RunAsync = 260,
};

const void* library() {
  static void* const handle = dlopen((binary_dir() + "/lib/libtessera_ort.so").c_str(), RTLD_NOW | RTLD_LOCAL);
  return handle;
}
const Base& base() {
  static const auto get = reinterpret_cast<const Base* (*)()>(dlsym(const_cast<void*>(library()), "OrtGetApiBase"));
  return *get();
}

/// Calls the function at a place. Arguments have the types that the interface gives them.
template <class Result = Status, class... Arguments>
Result call(Place place, Arguments... arguments) {
  return reinterpret_cast<Result (*)(Arguments...)>(base().table(30)[place])(arguments...);
}
/// The text of a status, "" of success; frees it.
std::string text_of(Status status) {
  if (!status) return "";
  const std::string text = call<const char*>(GetErrorMessage, status);
  call<void>(ReleaseStatus, status);
  return text.empty() ? "a status without a text" : text;
}
#define OK(...) ASSERT_EQ(text_of(call(__VA_ARGS__)), "")
#define NOT_OK(what, ...) EXPECT_THAT(text_of(call(__VA_ARGS__)), testing::HasSubstr(what))

using Bytes = std::string;

struct Door : testing::Test {
  Handle env = nullptr, options = nullptr, memory = nullptr, allocator = nullptr, session = nullptr;

  void SetUp() override {
    ASSERT_TRUE(library()) << dlerror();
    OK(CreateEnv, 3, "test", &env);
    OK(CreateSessionOptions, &options);
    OK(SetIntraOpNumThreads, options, 2);
    OK(CreateCpuMemoryInfo, 1, 0, &memory);
    OK(GetAllocatorWithDefaultOptions, &allocator);
  }
  void TearDown() override {
    call<void>(ReleaseSession, session);
    call<void>(ReleaseMemoryInfo, memory);
    call<void>(ReleaseSessionOptions, options);
    call<void>(ReleaseEnv, env);
  }
  std::string open(const Pen& pen) {
    const Bytes bytes = pen.model.SerializeAsString();
    return text_of(call(CreateSessionFromArray, env, bytes.data(), bytes.size(), options, &session));
  }
  Handle floats(std::vector<float>& data, const std::vector<int64_t>& dims) {
    Handle value = nullptr;
    EXPECT_EQ(text_of(call(CreateTensorWithDataAsOrtValue, memory, data.data(), data.size() * sizeof(float),
                           dims.data(), dims.size(), 1, &value)),
              "");
    return value;
  }
  std::string run(std::vector<const char*> in, std::vector<Handle> values, std::vector<const char*> out,
                  std::vector<Handle>& results, Handle run_options = nullptr) {
    results.resize(out.size());
    return text_of(call(RunSession, session, run_options, in.data(), values.data(), in.size(), out.data(), out.size(),
                        results.data()));
  }
  std::vector<float> data_of(Handle value, size_t count) {
    void* data = nullptr;
    EXPECT_EQ(text_of(call(GetTensorMutableData, value, &data)), "");
    return std::vector<float>(static_cast<float*>(data), static_cast<float*>(data) + count);
  }
};

/// y = x + c, [batch] and c = {1, 2}, which may be given.
Pen add_model() {
  Pen pen;
  pen.graph->set_name("adder");
  auto* dim = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0);
  dim->clear_dim_value();
  dim->set_dim_param("batch");
  const float c[] = {1, 2};
  *pen.graph->add_initializer() = raw_tensor("c", DType::float32, {2}, Bytes(reinterpret_cast<const char*>(c), 8));
  add_input(pen.graph, "c");
  pen.node("Add", {"x", "c"}, {"y"});
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(1);
  auto* entry = pen.model.add_metadata_props();
  entry->set_key("author");
  entry->set_value("nobody");
  return pen;
}

TEST_F(Door, HasATableForEveryVersionAndNoneForOthers) {
  EXPECT_EQ(base().table(0), nullptr);
  for (uint32_t version = 1; version <= 30; ++version) EXPECT_NE(base().table(version), nullptr) << version;
  EXPECT_EQ(base().table(31), nullptr);
  EXPECT_STREQ(base().version(), "1.30.0");
}

enum class Row { have_status, have_other, lack, lack_void, lack_zero };
struct RowFact {
  Row row;
  const char* name;
};
// The library's own list, for what it says of each row.
const RowFact rows[] = {
#define HAVE(result, name, parameters) \
  {std::string_view(#result) == "Status*" ? Row::have_status : Row::have_other, #name},
#define LACK(name) {Row::lack, #name},
#define LACK_VOID(name) {Row::lack_void, #name},
#define LACK_ZERO(name) {Row::lack_zero, #name},
#define VERSION(version, rows)
#include "bindings/onnxruntime/api.def"
};

TEST_F(Door, WhatIsMissingSaysSoByName) {
  size_t missing = 0;
  for (size_t i = 0; i < std::size(rows); ++i) {
    if (rows[i].row == Row::lack) {
      const Status status = call(static_cast<Place>(i), nullptr, nullptr, nullptr);
      EXPECT_EQ(call<int>(GetErrorCode, status), 9) << rows[i].name;
      EXPECT_THAT(text_of(status), testing::StartsWith(std::string(rows[i].name) + " is not implemented"));
      ++missing;
    } else if (rows[i].row == Row::lack_zero) {
      EXPECT_EQ(call<void*>(static_cast<Place>(i), nullptr), nullptr) << rows[i].name;
    } else if (rows[i].row == Row::lack_void) {
      call<void>(static_cast<Place>(i), nullptr);
    }
  }
  EXPECT_GT(missing, 50U);
  // Tables behind the table.
  for (size_t i = 0; i < std::size(rows); ++i) {
    if (std::string_view(rows[i].name) != "GetModelEditorApi") continue;
    const auto* editor = call<const Function*>(static_cast<Place>(i));
    EXPECT_THAT(text_of(reinterpret_cast<Status (*)(void*, void*)>(editor[0])(nullptr, nullptr)),
                testing::StartsWith("CreateTensorTypeInfo is not implemented"));
  }
}

TEST_F(Door, NoFunctionFallsOverNothing) {
  // More arguments than any function has: those that it does not have, it does not see.
  using Any = void* (*)(void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*, void*);
  for (size_t i = 0; i < std::size(rows); ++i) {
    if (rows[i].row == Row::lack) continue;  // above
    const auto function = reinterpret_cast<Any>(base().table(30)[i]);
    void* result = function(nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr,
                            nullptr, nullptr);
    if (rows[i].row != Row::have_status || !result) continue;
    EXPECT_THAT(text_of(result), testing::HasSubstr(": an argument is NULL")) << rows[i].name;
  }
}

TEST_F(Door, RunsAModelFromMemory) {
  ASSERT_EQ(open(add_model()), "");
  size_t count = 0;
  OK(SessionGetInputCount, session, &count);
  EXPECT_EQ(count, 1U);
  OK(SessionGetOutputCount, session, &count);
  EXPECT_EQ(count, 1U);
  OK(SessionGetOverridableInitializerCount, session, &count);
  EXPECT_EQ(count, 1U);
  char* name = nullptr;
  OK(SessionGetOverridableInitializerName, session, size_t{0}, allocator, &name);
  EXPECT_STREQ(name, "c");
  OK(AllocatorFree, allocator, name);
  NOT_OK("there is no index 5", SessionGetInputName, session, size_t{5}, allocator, &name);

  Handle type = nullptr, info = nullptr;
  OK(SessionGetInputTypeInfo, session, size_t{0}, &type);
  OK(CastTypeInfoToTensorInfo, type, &info);
  int element = 0;
  OK(GetTensorElementType, info, &element);
  EXPECT_EQ(element, 1);
  int64_t extent = 0;
  OK(GetDimensions, info, &extent, size_t{1});
  EXPECT_EQ(extent, -1);
  const char* symbol = nullptr;
  OK(GetSymbolicDimensions, info, &symbol, size_t{1});
  EXPECT_STREQ(symbol, "batch");
  call<void>(ReleaseTypeInfo, type);

  std::vector<float> x = {10, 20}, c = {100, 200};
  std::vector<Handle> out;
  const Handle value = floats(x, {2}), other = floats(c, {2});
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{11, 22}));
  call<void>(ReleaseValue, out[0]);
  // An input that has a default.
  out.clear();
  ASSERT_EQ(run({"c", "x"}, {other, value}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{110, 220}));
  // A value for the result.
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{11, 22}));
  call<void>(ReleaseValue, out[0]);
  call<void>(ReleaseValue, value);
  call<void>(ReleaseValue, other);
}

TEST_F(Door, TellsWhatIsWrongWithARun) {
  ASSERT_EQ(open(add_model()), "");
  std::vector<float> x = {1, 2, 3};
  const Handle value = floats(x, {3}), right = floats(x, {1});
  std::vector<Handle> out;
  EXPECT_THAT(run({"z"}, {value}, {"y"}, out), testing::HasSubstr("Invalid input name: z"));
  EXPECT_THAT(run({"x"}, {right}, {"w"}, out), testing::HasSubstr("Invalid output name: w"));
  EXPECT_THAT(run({}, {}, {"y"}, out), testing::HasSubstr("Missing Input: x"));
  EXPECT_THAT(run({"x"}, {value}, {"y"}, out), testing::HasSubstr("Add"));
  EXPECT_EQ(out[0], nullptr);
  // A value of another shape for the result keeps what it has.
  std::vector<float> y = {5, 5, 5};
  out = {floats(y, {3})};
  EXPECT_THAT(run({"x"}, {right}, {"y"}, out), testing::HasSubstr("output \"y\""));
  EXPECT_EQ(y[0], 5);
  for (const Handle each : {value, right, out[0]}) call<void>(ReleaseValue, each);
}

TEST_F(Door, RefusesWhatIsNoModel) {
  const Bytes bytes = add_model().model.SerializeAsString();
  NOT_OK("CreateSessionFromArray", CreateSessionFromArray, env, bytes.data(), bytes.size() / 2, options, &session);
  NOT_OK("CreateSession", CreateSession, env, "/nowhere/at/all.onnx", options, &session);
  Status status = call(CreateSession, env, "/nowhere/at/all.onnx", options, &session);
  EXPECT_EQ(call<int>(GetErrorCode, status), 3);
  text_of(status);
  EXPECT_EQ(session, nullptr);
  const char* none[] = {nullptr};
  NOT_OK("\"CUDA\" is not there", SessionOptionsAppendExecutionProvider, options, "CUDA", none, none, size_t{0});
  EXPECT_EQ(text_of(call(SessionOptionsAppendExecutionProvider, options, "CPU", none, none, size_t{0})), "");
}

TEST_F(Door, RefusesTensorsThatCannotBe) {
  std::vector<float> data(4);
  Handle value = nullptr;
  const int64_t shape[] = {3, 2}, negative[] = {-1, 2}, huge[] = {int64_t{1} << 40, int64_t{1} << 40};
  const auto make = [&](const int64_t* dims, int element, size_t bytes) {
    return text_of(call(CreateTensorWithDataAsOrtValue, memory, static_cast<void*>(data.data()), bytes, dims, size_t{2},
                        element, &value));
  };
  EXPECT_THAT(make(shape, 1, 16), testing::HasSubstr("not enough space"));
  EXPECT_THAT(make(shape, 1, 23), testing::HasSubstr("not enough space: expected 24, got 23"));
  const int64_t odd[] = {1, 3};  // twelve bits
  EXPECT_THAT(make(odd, 21, 1), testing::HasSubstr("not enough space: expected 2, got 1"));
  EXPECT_THAT(make(negative, 1, 16), testing::HasSubstr("negative"));
  EXPECT_THAT(make(huge, 1, 16), testing::HasSubstr("more elements"));
  EXPECT_THAT(make(shape, 99, 16), testing::HasSubstr("type 99"));
  EXPECT_THAT(make(shape, 8, 16), testing::HasSubstr("type 8"));
  NOT_OK("more elements", CreateTensorAsOrtValue, allocator, huge, size_t{2}, 1, &value);
  EXPECT_EQ(value, nullptr);
}

TEST_F(Door, TextsNeedRoomForTheirEnd) {
  OK(AddSessionConfigEntry, options, "key", "four");
  char text[8] = {'?', '?', '?', '?', '?', '?', '?', '?'};
  size_t size = 0;
  OK(GetSessionConfigEntry, options, "key", static_cast<char*>(nullptr), &size);
  EXPECT_EQ(size, 5U);
  size = 4;
  NOT_OK("too small", GetSessionConfigEntry, options, "key", text, &size);
  EXPECT_EQ(text[0], '?');
  size = 5;
  OK(GetSessionConfigEntry, options, "key", text, &size);
  EXPECT_EQ(std::string(text), "four");
  EXPECT_EQ(text[5], '?');
  NOT_OK("no entry", GetSessionConfigEntry, options, "other", text, &size);
}

TEST_F(Door, AResultIsNoneOfTheProgramsMemory) {
  Pen pen;
  pen.node("Identity", {"x"}, {"y"});
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(1);
  ASSERT_EQ(open(pen), "");
  std::vector<float> x = {1, 2};
  const Handle value = floats(x, {2});
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  call<void>(ReleaseValue, value);
  x = {9, 9};
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{1, 2}));
  call<void>(ReleaseValue, out[0]);
}

TEST_F(Door, PassesStrings) {
  Pen pen;
  pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(8);
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(8);
  pen.node("Identity", {"x"}, {"y"});
  ASSERT_EQ(open(pen), "");
  Handle value = nullptr;
  const int64_t dims[] = {2};
  OK(CreateTensorAsOrtValue, allocator, dims, size_t{1}, 8, &value);
  const char* words[] = {"one", "\xc3\xa4hm"};
  OK(FillStringTensor, value, words, size_t{2});
  NOT_OK("3 strings", FillStringTensor, value, words, size_t{3});
  void* data = nullptr;
  NOT_OK("strings", GetTensorMutableData, value, &data);
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  size_t length = 0;
  OK(GetStringTensorDataLength, out[0], &length);
  EXPECT_EQ(length, 7U);
  char bytes[8] = {};
  size_t offsets[2] = {};
  OK(GetStringTensorContent, out[0], static_cast<void*>(bytes), length, offsets, size_t{2});
  EXPECT_STREQ(bytes, "one\xc3\xa4hm");
  EXPECT_EQ(offsets[1], 3U);
  NOT_OK("too small", GetStringTensorContent, out[0], static_cast<void*>(bytes), size_t{2}, offsets, size_t{2});
  call<void>(ReleaseValue, value);
  call<void>(ReleaseValue, out[0]);
}

TEST_F(Door, PassesSequences) {
  Pen pen;
  auto* type = pen.graph->mutable_input(0)->mutable_type();
  type->clear_tensor_type();
  type->mutable_sequence_type()->mutable_elem_type()->mutable_tensor_type()->set_elem_type(1);
  *pen.graph->mutable_output(0)->mutable_type() = *type;
  const int64_t zero = 0;
  *pen.graph->add_initializer() =
      raw_tensor("at", DType::int64, {}, Bytes(reinterpret_cast<const char*>(&zero), sizeof zero));
  pen.node("SequenceErase", {"x", "at"}, {"y"});
  ASSERT_EQ(open(pen), "");
  std::vector<float> a = {1}, b = {2, 3};
  Handle items[] = {floats(a, {1}), floats(b, {2})}, sequence = nullptr;
  OK(CreateValue, static_cast<Handle*>(items), size_t{2}, 2, &sequence);
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {sequence}, {"y"}, out), "");
  size_t count = 0;
  OK(GetValueCount, out[0], &count);
  EXPECT_EQ(count, 1U);
  int kind = 0;
  OK(GetValueType, out[0], &kind);
  EXPECT_EQ(kind, 2);
  Handle item = nullptr;
  OK(GetValue, out[0], 0, allocator, &item);
  NOT_OK("no item 1", GetValue, out[0], 1, allocator, &item);
  call<void>(ReleaseValue, out[0]);
  EXPECT_EQ(data_of(item, 2), (std::vector<float>{2, 3}));
  for (const Handle each : {item, sequence, items[0], items[1]}) call<void>(ReleaseValue, each);
}

TEST_F(Door, BindsValuesByName) {
  ASSERT_EQ(open(add_model()), "");
  Handle binding = nullptr;
  OK(CreateIoBinding, session, &binding);
  std::vector<float> x = {1, 1}, y = {0, 0};
  const Handle in = floats(x, {2}), out = floats(y, {2});
  NOT_OK("no input \"q\"", BindInput, binding, "q", in);
  OK(BindInput, binding, "x", in);
  OK(BindOutput, binding, "y", out);
  OK(RunWithBinding, session, nullptr, binding);
  EXPECT_EQ(y, (std::vector<float>{2, 3}));
  x = {2, 2};
  OK(BindOutputToDevice, binding, "y", memory);
  Handle* values = nullptr;
  size_t count = 0;
  NOT_OK("no run yet", GetBoundOutputValues, binding, allocator, &values, &count);
  OK(RunWithBinding, session, nullptr, binding);
  OK(GetBoundOutputValues, binding, allocator, &values, &count);
  ASSERT_EQ(count, 1U);
  EXPECT_EQ(data_of(values[0], 2), (std::vector<float>{3, 4}));
  EXPECT_EQ(y, (std::vector<float>{2, 3}));
  call<void>(ReleaseValue, values[0]);
  OK(AllocatorFree, allocator, static_cast<void*>(values));
  // Bound to the program's memory anew, that is where it goes.
  OK(BindOutput, binding, "y", out);
  x = {5, 5};
  OK(RunWithBinding, session, nullptr, binding);
  EXPECT_EQ(y, (std::vector<float>{6, 7}));
  call<void>(ReleaseIoBinding, binding);
  call<void>(ReleaseValue, in);
  call<void>(ReleaseValue, out);
}

TEST_F(Door, StopsARun) {
  ASSERT_EQ(open(add_model()), "");
  std::vector<float> x = {1, 1};
  const Handle value = floats(x, {2});
  Handle run_options = nullptr;
  OK(CreateRunOptions, &run_options);
  OK(RunOptionsSetTerminate, run_options);
  std::vector<Handle> out;
  EXPECT_NE(run({"x"}, {value}, {"y"}, out, run_options), "");
  OK(RunOptionsUnsetTerminate, run_options);
  EXPECT_EQ(run({"x"}, {value}, {"y"}, out, run_options), "");
  call<void>(ReleaseRunOptions, run_options);
  call<void>(ReleaseValue, out[0]);
  call<void>(ReleaseValue, value);
}

TEST_F(Door, RunsOnTheSide) {
  ASSERT_EQ(open(add_model()), "");
  std::vector<float> x = {1, 1};
  Handle value = floats(x, {2}), out = nullptr;
  const char *in_name = "x", *out_name = "y";
  static std::atomic<int> told;
  told = 0;
  const auto callback = +[](void* context, Handle* outputs, size_t count, Status status) {
    EXPECT_EQ(text_of(status), "");
    EXPECT_EQ(count, 1U);
    *static_cast<Handle*>(context) = outputs[0];
    ++told;
  };
  Handle seen = nullptr;
  OK(RunAsync, session, nullptr, &in_name, &value, size_t{1}, &out_name, size_t{1}, &out, callback,
     static_cast<void*>(&seen));
  call<void>(ReleaseSession, session);  // waits for it
  session = nullptr;
  EXPECT_EQ(told, 1);
  EXPECT_EQ(data_of(seen, 2), (std::vector<float>{2, 3}));
  call<void>(ReleaseValue, seen);
  call<void>(ReleaseValue, value);
}

TEST_F(Door, TellsOfTheModel) {
  ASSERT_EQ(open(add_model()), "");
  Handle metadata = nullptr;
  OK(SessionGetModelMetadata, session, &metadata);
  char* text = nullptr;
  OK(ModelMetadataLookupCustomMetadataMap, metadata, allocator, "author", &text);
  EXPECT_STREQ(text, "nobody");
  OK(AllocatorFree, allocator, text);
  OK(ModelMetadataLookupCustomMetadataMap, metadata, allocator, "title", &text);
  EXPECT_EQ(text, nullptr);
  OK(ModelMetadataGetGraphName, metadata, allocator, &text);
  EXPECT_STREQ(text, "adder");
  OK(AllocatorFree, allocator, text);
  call<void>(ReleaseModelMetadata, metadata);
}

TEST_F(Door, WritesAProfile) {
  const std::string prefix = testing::TempDir() + "door_profile";
  OK(EnableProfiling, options, prefix.c_str());
  ASSERT_EQ(open(add_model()), "");
  std::vector<float> x = {1, 1};
  const Handle value = floats(x, {2});
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  char* path = nullptr;
  OK(SessionEndProfiling, session, allocator, &path);
  EXPECT_THAT(path, testing::StartsWith(prefix));
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(text, testing::HasSubstr("\"op_name\":\"Add\""));
  std::filesystem::remove(path);
  OK(AllocatorFree, allocator, path);
  call<void>(ReleaseValue, out[0]);
  call<void>(ReleaseValue, value);
}

// --- An operator of the program's: y = scale * x + sum of the constant input, floats -----------------

struct Operator {
  uint32_t version;
  Function functions[21];
};

struct Kernel {
  float scale = 0, offset = 0;
};
std::atomic<int> kernels;
Handle create_kernel(const Operator*, const void*, Handle info) {
  ++kernels;
  auto* kernel = new Kernel;
  EXPECT_EQ(text_of(call(KernelInfoGetAttribute_float, info, "scale", &kernel->scale)), "");
  int64_t none = 0;
  EXPECT_THAT(text_of(call(KernelInfoGetAttribute_int64, info, "nothing", &none)),
              testing::HasSubstr("no attribute \"nothing\""));
  char word[8];
  size_t size = sizeof word;
  EXPECT_EQ(text_of(call(KernelInfoGetAttribute_string, info, "word", static_cast<char*>(word), &size)), "");
  EXPECT_STREQ(word, "hello");
  int constant = 0;
  Handle value = nullptr;
  EXPECT_EQ(text_of(call(KernelInfoGetConstantInput_tensor, info, size_t{1}, &constant, &value)), "");
  EXPECT_EQ(constant, 1);
  void* data = nullptr;
  EXPECT_EQ(text_of(call(GetTensorMutableData, value, &data)), "");
  kernel->offset = static_cast<float*>(data)[0] + static_cast<float*>(data)[1];
  return kernel;
}
void destroy_kernel(Handle kernel) {
  --kernels;
  delete static_cast<Kernel*>(kernel);
}
Status compute(Handle state, Handle context) {
  const Kernel& kernel = *static_cast<Kernel*>(state);
  Handle in = nullptr, out = nullptr, info = nullptr;
  EXPECT_EQ(text_of(call(KernelContext_GetInput, context, size_t{0}, &in)), "");
  EXPECT_EQ(text_of(call(GetTensorTypeAndShape, in, &info)), "");
  int64_t extent = 0;
  EXPECT_EQ(text_of(call(GetDimensions, info, &extent, size_t{1})), "");
  call<void>(ReleaseTensorTypeAndShapeInfo, info);
  void *from = nullptr, *to = nullptr;
  EXPECT_EQ(text_of(call(GetTensorMutableData, in, &from)), "");
  if (static_cast<float*>(from)[0] < 0) return call(CreateStatus, 1, "it is below zero");
  EXPECT_EQ(text_of(call(KernelContext_GetOutput, context, size_t{0}, &extent, size_t{1}, &out)), "");
  EXPECT_EQ(text_of(call(GetTensorMutableData, out, &to)), "");
  for (int64_t i = 0; i < extent; ++i)
    static_cast<float*>(to)[i] = kernel.scale * static_cast<float*>(from)[i] + kernel.offset;
  return nullptr;
}
const char* name_of(const Operator*) { return "Scale"; }
int type_of(const Operator*, size_t) { return 1; }
size_t two(const Operator*) { return 2; }
size_t one(const Operator*) { return 1; }
template <class F>
Function slot(F* function) {
  return reinterpret_cast<Function>(function);
}

TEST_F(Door, RunsAnOperatorOfTheProgram) {
  Operator op{
      16,
      {slot(create_kernel), slot(name_of), nullptr, slot(type_of), slot(two), slot(type_of), slot(one), nullptr,
       slot(destroy_kernel), nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, slot(compute)}};
  Pen pen;
  pen.model.add_opset_import()->set_version(1);
  pen.model.mutable_opset_import(1)->set_domain("my.own");
  const float c[] = {1, 2};
  *pen.graph->add_initializer() = raw_tensor("c", DType::float32, {2}, Bytes(reinterpret_cast<const char*>(c), 8));
  NodeProto* node = pen.node("Scale", {"x", "c"}, {"h"});
  node->set_domain("my.own");
  node->set_name("here");
  add_attr(node, "scale", AttributeProto::FLOAT)->set_f(10);
  add_attr(node, "word", AttributeProto::STRING)->set_s("hello");
  pen.node("Neg", {"h"}, {"y"});
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(1);
  EXPECT_THAT(open(pen), testing::HasSubstr("my.own"));

  Handle domain = nullptr;
  OK(CreateCustomOpDomain, "my.own", &domain);
  OK(CustomOpDomain_Add, domain, &op);
  OK(AddCustomOpDomain, options, domain);
  ASSERT_EQ(open(pen), "");
  EXPECT_EQ(kernels, 1);
  std::vector<float> x = {1, 2};
  const Handle value = floats(x, {2});
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{-13, -23}));
  call<void>(ReleaseValue, out[0]);
  x[0] = -1;
  out.clear();
  const std::string error = run({"x"}, {value}, {"y"}, out);
  EXPECT_THAT(error, testing::HasSubstr("it is below zero"));
  EXPECT_THAT(error, testing::HasSubstr("here"));
  call<void>(ReleaseValue, value);
  call<void>(ReleaseSession, session);
  session = nullptr;
  EXPECT_EQ(kernels, 0);
  op.version = 31;
  NOT_OK("version 31", CustomOpDomain_Add, domain, &op);
  call<void>(ReleaseCustomOpDomain, domain);
}

// Of one that has the name of ONNX's own in another domain, both are there.
TEST_F(Door, RunsOperatorsOfALibrary) {
  Pen pen;
  pen.model.add_opset_import()->set_version(1);
  pen.model.mutable_opset_import(1)->set_domain("my.own");
  pen.node("Relu", {"x"}, {"h"});
  pen.node("Relu", {"h"}, {"y"})->set_domain("my.own");
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(1);
  const std::string path = binary_dir() + "/lib/libtessera_door_operators.so";
  Handle opened = nullptr;
  NOT_OK("/nonexistent/own.so", RegisterCustomOpsLibrary, options, "/nonexistent/own.so", &opened);
  NOT_OK("no function RegisterCustomOps", RegisterCustomOpsLibrary, options, "libm.so.6", &opened);
  OK(RegisterCustomOpsLibrary, options, path.c_str(), &opened);
  ASSERT_TRUE(opened);
  ASSERT_EQ(open(pen), "");
  std::vector<float> x = {-1, 2};
  const Handle value = floats(x, {2});
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {value}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{0, 4}));
  call<void>(ReleaseValue, out[0]);
  call<void>(ReleaseValue, value);
  call<void>(ReleaseSession, session);
  session = nullptr;
  dlclose(opened);
}

// ImageDecoder is ONNX's own, and comes with the library of picture files.
TEST_F(Door, DecodesPicturesByTheirLibrary) {
  const std::string path = binary_dir() + "/lib/libtessera_pictures.so";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "skipped: this build has no library of picture files";
  Pen pen;
  pen.model.mutable_opset_import(0)->set_version(20);
  pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->set_elem_type(2);
  auto* dim = pen.graph->mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape()->mutable_dim(0);
  dim->set_dim_param("bytes");
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(2);
  auto* format = pen.node("ImageDecoder", {"x"}, {"y"})->add_attribute();
  format->set_name("pixel_format");
  format->set_type(test::AttributeProto::STRING);
  format->set_s("BGR");
  EXPECT_THAT(open(pen), testing::HasSubstr("ImageDecoder"));
  OK(RegisterCustomOpsLibrary_V2, options, path.c_str());
  ASSERT_EQ(open(pen), "");
  std::string made;
  const auto decode = [&](std::string file) {
    const int64_t dims[] = {static_cast<int64_t>(file.size())};
    Handle value = nullptr, info = nullptr;
    OK(CreateTensorWithDataAsOrtValue, memory, file.data(), file.size(), &dims[0], size_t{1}, 2, &value);
    std::vector<Handle> out;
    EXPECT_EQ(run({"x"}, {value}, {"y"}, out), "");
    int64_t extents[3] = {};
    OK(GetTensorTypeAndShape, out[0], &info);
    OK(GetDimensions, info, &extents[0], size_t{3});
    void* data = nullptr;
    OK(GetTensorMutableData, out[0], &data);
    made.assign(static_cast<char*>(data), static_cast<size_t>(extents[0] * extents[1] * extents[2]));
    call<void>(ReleaseTensorTypeAndShapeInfo, info);
    for (const Handle each : {value, out[0]}) call<void>(ReleaseValue, each);
  };
  decode("P6 2 1 255\nabcdef");
  EXPECT_EQ(made, "cbafed");
  decode("no picture");
  EXPECT_EQ(made, "");
  call<void>(ReleaseSession, session);
  session = nullptr;
  format->set_s("YUV");
  EXPECT_THAT(open(pen), testing::HasSubstr("pixel_format \"YUV\""));
}

TEST_F(Door, TakesInitializersOfTheProgram) {
  Pen pen;
  const float bias[] = {10, 20};
  for (const char* name : {"a", "b"})
    *pen.graph->add_initializer() =
        raw_tensor(name, DType::float32, {2}, Bytes(reinterpret_cast<const char*>(bias), 8));
  pen.node("Add", {"x", "a"}, {"h"});
  pen.node("Mul", {"h", "b"}, {"y"});
  pen.graph->mutable_output(0)->mutable_type()->mutable_tensor_type()->set_elem_type(1);
  std::vector<float> x = {1, 2}, a = {3, 4}, b = {5, 6};
  const Handle in = floats(x, {2}), own_a = floats(a, {2}), own_b = floats(b, {2});
  const char* const names[] = {"b"};
  OK(AddInitializer, options, "a", own_a);
  OK(AddExternalInitializers, options, static_cast<const char* const*>(names), &own_b, size_t{1});
  ASSERT_EQ(open(pen), "");
  std::vector<Handle> out;
  ASSERT_EQ(run({"x"}, {in}, {"y"}, out), "");
  EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{20, 36}));
  OK(AddInitializer, options, "c", own_a);
  call<void>(ReleaseSession, session);
  session = nullptr;
  EXPECT_THAT(open(pen), testing::HasSubstr("no initializer \"c\""));
  for (const Handle value : {in, own_a, own_b, out[0]}) call<void>(ReleaseValue, value);
}

TEST_F(Door, RunsOfManyThreadsAtOnce) {
  ASSERT_EQ(open(add_model()), "");
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        std::vector<float> x = {static_cast<float>(t), static_cast<float>(i)};
        const Handle value = floats(x, {2});
        std::vector<Handle> out;
        EXPECT_EQ(run({"x"}, {value}, {"y"}, out), "");
        EXPECT_EQ(data_of(out[0], 2), (std::vector<float>{x[0] + 1, x[1] + 2}));
        call<void>(ReleaseValue, out[0]);
        call<void>(ReleaseValue, value);
      }
    });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace tessera::test
