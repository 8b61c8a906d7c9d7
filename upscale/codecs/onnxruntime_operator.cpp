// The same operator for programs that speak ONNX Runtime's interface: the function that such a program looks for in a
// library of operators (RegisterCustomOpsLibrary), written from the facts of the interface alone.
#include "upscale/codecs/image_decoder.h"

using namespace tessera;
using namespace tessera::upscale;

namespace {

using Status = void*;
using Handle = void*;
using Function = void (*)();
struct Base {
  const Function* (*table)(uint32_t version);
};

constexpr uint32_t version = 16;
constexpr int element_uint8 = 2, code_fail = 1;
/// Places in the table of functions.
enum Place : size_t {
  CreateStatus = 0,
  CreateCustomOpDomain = 26,
  CustomOpDomain_Add = 27,
  AddCustomOpDomain = 28,
  GetTensorMutableData = 51,
  GetTensorShapeElementCount = 64,
  GetTensorTypeAndShape = 65,
  KernelInfoGetAttribute_string = 87,
  KernelContext_GetInput = 90,
  KernelContext_GetOutput = 91,
  ReleaseStatus = 93,
  ReleaseTensorTypeAndShapeInfo = 99
};

const Function* table = nullptr;

template <class Result = Status, class... Arguments>
Result call(Place place, Arguments... arguments) {
  return reinterpret_cast<Result (*)(Arguments...)>(table[place])(arguments...);
}

/// A failure of the program's own function goes on to it.
struct Failed {
  Status status;
};
void check(Status status) {
  if (status) throw Failed{status};
}

template <class Body>
Status guarded(const Body& body) noexcept {
  const auto failed = [](const char* text) { return call(CreateStatus, code_fail, text); };
  try {
    body();
    return nullptr;
  } catch (const Failed& failure) {
    return failure.status;
  } catch (const std::exception& error) {
    return failed(error.what());
  } catch (...) {
    return failed("unknown exception");
  }
}

struct Operator {
  uint32_t version;
  Function functions[18];
};

Status create(const Operator*, const void*, Handle info, Handle* kernel) {
  return guarded([&] {
    std::string text(64, '\0');
    size_t size = text.size();
    const Status missing = call(KernelInfoGetAttribute_string, info, "pixel_format", text.data(), &size);
    if (missing) call<void>(ReleaseStatus, missing);
    *kernel = new Pixels{missing ? Pixels::rgb : pixels_of(text.c_str())};
  });
}
void destroy(Handle kernel) { delete static_cast<Pixels*>(kernel); }
const char* name(const Operator*) { return "ImageDecoder"; }
const char* nowhere(const Operator*) { return nullptr; }
int bytes(const Operator*, size_t) { return element_uint8; }
size_t one(const Operator*) { return 1; }

Status compute(Handle kernel, Handle context) {
  return guarded([&] {
    Handle in = nullptr, info = nullptr;
    void* file = nullptr;
    size_t size = 0;
    check(call(KernelContext_GetInput, context, size_t{0}, &in));
    check(call(GetTensorMutableData, in, &file));
    check(call(GetTensorTypeAndShape, in, &info));
    const Status failed = call(GetTensorShapeElementCount, info, &size);
    call<void>(ReleaseTensorTypeAndShapeInfo, info);
    check(failed);
    decode_image({static_cast<const std::byte*>(file), size}, *static_cast<const Pixels*>(kernel),
                 [&](int64_t height, int64_t width, int64_t channels) {
                   const int64_t dims[] = {height, width, channels};
                   Handle out = nullptr;
                   void* data = nullptr;
                   check(call(KernelContext_GetOutput, context, size_t{0}, &dims[0], size_t{3}, &out));
                   check(call(GetTensorMutableData, out, &data));
                   return static_cast<std::byte*>(data);
                 });
  });
}

template <class F>
Function slot(F* function) {
  return reinterpret_cast<Function>(function);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) Status RegisterCustomOps(Handle options, const Base* base) {
  table = base->table(version);
  // What is not there is the interface's older way, or its default.
  static const Operator decoder{
      version,
      {nullptr, slot(name), slot(nowhere), slot(bytes), slot(one), slot(bytes), slot(one), nullptr, slot(destroy),
       nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr, slot(create), slot(compute)}};
  static Handle domain = nullptr;
  return guarded([&] {
    if (!domain) {
      check(call(CreateCustomOpDomain, "", &domain));
      check(call(CustomOpDomain_Add, domain, &decoder));
    }
    check(call(AddCustomOpDomain, options, domain));
  });
}
