/* tessera: inference of ONNX models. The C interface; tessera.hpp wraps it for C++.
 *
 * Conventions
 *   - Every function that can fail returns a tessera_status*: NULL is success. A status holds a code
 *     and a text for people; free it with tessera_status_free. Nothing is ever thrown or printed.
 *   - Objects are opaque; *_free takes NULL. Strings are UTF-8, owned by the object they came from.
 *   - Structs that may grow begin with struct_size; fill them with their *_init function first.
 *   - A session may be used by many threads at once. Other objects belong to one thread at a time.
 *   - Tensors are dense, row-major (the last dimension is the fastest), in host memory, and aligned
 *     to their element. Shapes count elements, sizes count bytes.
 */
#ifndef TESSERA_TESSERA_H
#define TESSERA_TESSERA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TESSERA_API __attribute__((visibility("default")))
#else
#define TESSERA_API
#endif

/* "0.1.0" */
TESSERA_API const char* tessera_version(void);

/* --- Status --------------------------------------------------------------------------------- */

typedef enum tessera_code {
  TESSERA_OK = 0,
  TESSERA_USAGE = 1,       /* an argument that cannot be: wrong count, unknown device, NULL */
  TESSERA_FILE = 2,        /* a file cannot be opened or read */
  TESSERA_MODEL = 3,       /* the model is malformed or breaks a limit */
  TESSERA_UNSUPPORTED = 4, /* well-formed, but needs operators that tessera does not have (all are listed) */
  TESSERA_SHAPE = 5,       /* shapes do not fit */
  TESSERA_TYPE = 6,        /* data types do not fit */
  TESSERA_MEMORY = 7,      /* out of memory, or over the limit in the options */
  TESSERA_DEVICE = 8,      /* a device is missing or failed */
  TESSERA_CANCELLED = 9,   /* tessera_cancel_request was called */
  TESSERA_INTERNAL = 10    /* a bug in tessera: please report it with the text */
} tessera_code;

typedef struct tessera_status tessera_status;
TESSERA_API tessera_code tessera_status_code(const tessera_status* status); /* NULL: TESSERA_OK */
TESSERA_API const char* tessera_status_text(const tessera_status* status);  /* NULL: "" */
TESSERA_API void tessera_status_free(tessera_status* status);

/* --- Tensors -------------------------------------------------------------------------------- */

/* The numbers of ONNX's TensorProto.DataType. 4- and 2-bit elements are packed, first in low bits. */
typedef enum tessera_dtype {
  TESSERA_UNDEFINED = 0,
  TESSERA_FLOAT32 = 1,
  TESSERA_UINT8 = 2,
  TESSERA_INT8 = 3,
  TESSERA_UINT16 = 4,
  TESSERA_INT16 = 5,
  TESSERA_INT32 = 6,
  TESSERA_INT64 = 7,
  TESSERA_STRING = 8, /* not passed through this interface yet: such models give TESSERA_UNSUPPORTED */
  TESSERA_BOOL = 9,
  TESSERA_FLOAT16 = 10,
  TESSERA_FLOAT64 = 11,
  TESSERA_UINT32 = 12,
  TESSERA_UINT64 = 13,
  TESSERA_COMPLEX64 = 14,
  TESSERA_COMPLEX128 = 15,
  TESSERA_BFLOAT16 = 16,
  TESSERA_FLOAT8E4M3FN = 17,
  TESSERA_FLOAT8E4M3FNUZ = 18,
  TESSERA_FLOAT8E5M2 = 19,
  TESSERA_FLOAT8E5M2FNUZ = 20,
  TESSERA_UINT4 = 21,
  TESSERA_INT4 = 22,
  TESSERA_FLOAT4E2M1 = 23,
  TESSERA_FLOAT8E8M0 = 24,
  TESSERA_UINT2 = 25,
  TESSERA_INT2 = 26
} tessera_dtype;

/* A tensor in the caller's or the library's memory; the struct owns nothing. */
typedef struct tessera_tensor {
  tessera_dtype dtype;
  size_t rank;
  const int64_t* dims; /* `rank` extents, each >= 0 */
  void* data;          /* only read where it is an input */
  size_t bytes;        /* size of `data` */
} tessera_tensor;

/* --- Sessions ------------------------------------------------------------------------------- */

/* A thread pool of the caller's: calls task(argument, index) once for each index < count, on any threads
 * and in any order, at the same time or not, and returns when all calls have returned. What the tasks wrote
 * must then be visible to the thread that called. It must not throw through, and should not allocate if runs
 * are not to. Tasks share their work as they are called: those that come late find nothing left to do. */
typedef void (*tessera_task)(void* argument, size_t index);
typedef void (*tessera_parallel_for)(void* context, size_t count, tessera_task task, void* argument);

typedef struct tessera_options {
  size_t struct_size;
  int threads;        /* 0: one per core that the process may use */
  const char* device; /* "auto" (NULL), "cpu", "vulkan" (what is worth the way to it), "vulkan:N" (all that it can) */
  const char* precision; /* "fp32" (NULL): float32, convolutions transformed where that takes fewer products.
                            "exact": float32 without such transforms, in short sums: as near to the definition as
                            float32 comes, at about four times the time. Or what products may be computed in where
                            that is faster: "bf16", numbers rounded to bfloat16 and summed in float32 (about 2.5
                            digits); "bf16x3", three such products (about 5 digits). "fp16": a device stores values
                            as float16 and sums in float32 (about 3 digits, up to 65504), the CPU computes as in fp32.
                            "int8": as fp32, for quantized models only, whose integers stay integers at any
                            precision */
  int optimize;          /* 1; 0 runs the graph as it is written */
  int64_t memory_limit;  /* bytes that a run may take for its work and results; 0: three quarters of the
                            machine's, or of what the process's cgroup may have */
  /* NULL: the session starts threads - 1 threads of its own. Otherwise it starts none, and runs call this with
   * `count` = `threads`, on the thread that called tessera_run and by one thread at a time (a run that finds
   * it taken by another run of the session goes on alone). It may be shared by sessions if it may be called by many
   * threads at once, and must allow nested calls if sessions are run from its own threads. The caller owns the pool
   * and `parallel_context`; both must outlive the session. Results do not depend on it. */
  tessera_parallel_for parallel_for;
  void* parallel_context;
} tessera_options;
TESSERA_API void tessera_options_init(tessera_options* options);

typedef struct tessera_session tessera_session;

/* Loads a model from a UTF-8 path. The file is mapped and must not change while the session lives: one
 * that gets shorter ends the process with SIGBUS. Where that may happen, load from memory.
 * External data is read beside the path as it is given, and never through a symbolic link, but for one case: if the
 * path is a link itself, as in a hub's cache, the data may be a link into the same folder.
 * `options` may be NULL. On success *session is to be freed with tessera_session_free. */
TESSERA_API tessera_status* tessera_session_load(const char* path, const tessera_options* options,
                                                 tessera_session** session);
/* From memory, which is copied. Models with external data need a path. */
TESSERA_API tessera_status* tessera_session_load_memory(const void* data, size_t bytes, const tessera_options* options,
                                                        tessera_session** session);
TESSERA_API void tessera_session_free(tessera_session* session);

/* "cpu", "vulkan:0"; and why a device that was asked for is not used ("" if it is). */
TESSERA_API const char* tessera_session_device(const tessera_session* session);
TESSERA_API const char* tessera_session_device_note(const tessera_session* session);

/* An input or output as the model declares it. */
typedef struct tessera_port {
  size_t struct_size;
  const char* name;
  tessera_dtype dtype;
  int ranked; /* 0: the model does not declare a shape; rank is 0 then */
  size_t rank;
  const int64_t* dims; /* -1 where the model leaves an extent open */
} tessera_port;
TESSERA_API void tessera_port_init(tessera_port* port);
TESSERA_API size_t tessera_session_input_count(const tessera_session* session); /* of those that have to be given */
/* Inputs with a default (initializers of the same name, from IR version 4 on). They are numbered on behind the
 * others, and a run may give them there. One that is left out has its default: at the end of the list, or as a tensor
 * whose dtype is TESSERA_UNDEFINED and whose data is NULL. Which of them are given decides what is planned: the first
 * run that gives other ones than before takes as long as loading. */
TESSERA_API size_t tessera_session_optional_input_count(const tessera_session* session);
TESSERA_API size_t tessera_session_output_count(const tessera_session* session);
TESSERA_API tessera_status* tessera_session_input(const tessera_session* session, size_t index, tessera_port* port);
TESSERA_API tessera_status* tessera_session_output(const tessera_session* session, size_t index, tessera_port* port);

/* --- Runs ----------------------------------------------------------------------------------- */

/* A wish to stop a run, made from another thread. */
typedef struct tessera_cancel tessera_cancel;
TESSERA_API tessera_status* tessera_cancel_create(tessera_cancel** cancel);
TESSERA_API void tessera_cancel_request(tessera_cancel* cancel); /* from any thread */
TESSERA_API void tessera_cancel_free(tessera_cancel* cancel);

typedef struct tessera_result tessera_result;

/* Runs the model on inputs in the order of their numbers. The result owns the outputs. `cancel` may
 * be NULL. */
TESSERA_API tessera_status* tessera_run(const tessera_session* session, const tessera_tensor* inputs,
                                        size_t input_count, const tessera_cancel* cancel, tessera_result** result);
TESSERA_API size_t tessera_result_count(const tessera_result* result);
/* Output `index`, valid as long as the result. */
TESSERA_API tessera_status* tessera_result_tensor(const tessera_result* result, size_t index, tessera_tensor* tensor);
TESSERA_API void tessera_result_free(tessera_result* result);

/* The type and byte size of output `index` for inputs of these types (their data is not looked at).
 * At most `capacity` extents are written to `dims`; *rank is the true rank.
 * TESSERA_UNSUPPORTED if it depends on the inputs' values. */
TESSERA_API tessera_status* tessera_output_type(const tessera_session* session, const tessera_tensor* inputs,
                                                size_t input_count, size_t index, tessera_dtype* dtype, int64_t* dims,
                                                size_t capacity, size_t* rank, size_t* bytes);
/* Runs into the caller's buffers, whose types must be those of tessera_output_type. Once a run with
 * the same input shapes has been made, this allocates no memory. */
TESSERA_API tessera_status* tessera_run_into(const tessera_session* session, const tessera_tensor* inputs,
                                             size_t input_count, const tessera_tensor* outputs, size_t output_count,
                                             const tessera_cancel* cancel);

#ifdef __cplusplus
}
#endif
#endif
