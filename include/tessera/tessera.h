/* tessera: inference of ONNX models. The C interface; tessera.hpp wraps it for C++.
 *
 * Conventions
 *   - Every function that can fail returns a tessera_status*: NULL is success. A status holds a code
 *     and a text for people; free it with tessera_status_free. Nothing is ever thrown or printed.
 *   - Objects are opaque; *_free takes NULL. A handle is freed once and not used afterwards, as with free(). Strings
 * are UTF-8, owned by the object they came from.
 *   - Structs that may grow begin with struct_size. Fill them with their *_init macro first, or with TESSERA_INIT,
 * which makes all else 0. A program that was compiled with an older, smaller struct keeps working: the library reads
 * and writes no more of a struct than its struct_size says; a member that is not wholly inside is not there.
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

/* Zeros a struct that begins with struct_size, and sets that. */
TESSERA_API void tessera_struct_init(void* any, size_t size);
#define TESSERA_INIT(pointer) tessera_struct_init((pointer), sizeof *(pointer))

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
  TESSERA_INTERNAL = 10,   /* a bug in tessera: please report it with the text */
  TESSERA_DEADLINE = 11    /* it took longer, or more rounds of loops, than the options allow */
} tessera_code;

typedef struct tessera_status tessera_status;
TESSERA_API tessera_code tessera_status_code(const tessera_status* status); /* NULL: TESSERA_OK */
TESSERA_API const char* tessera_status_text(const tessera_status* status);  /* NULL: "" */
TESSERA_API void tessera_status_free(tessera_status* status);
/* A failure of one's own, for libraries that stand on this one. The text is copied. */
TESSERA_API tessera_status* tessera_status_create(tessera_code code, const char* text);

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
  TESSERA_STRING = 8, /* of values alone (tessera_value): a tessera_tensor cannot hold them */
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

/* --- Threads and numbers that are the caller's ---------------------------------------------- */

/* A thread pool of the caller's: calls task(argument, index) once for each index < count, on any threads
 * and in any order, at the same time or not, and returns when all calls have returned. What the tasks wrote
 * must then be visible to the thread that called. It must not throw through, and should not allocate if runs
 * are not to. Tasks share their work as they are called: those that come late find nothing left to do. */
typedef void (*tessera_task)(void* argument, size_t index);
typedef void (*tessera_parallel_for)(void* context, size_t count, tessera_task task, void* argument);

/* An input of numbers that is made a constant, each of its elements `value`; extents that the model leaves open are 1.
 * Where several have one name, they are its elements in their order, and one open extent follows from their number. */
typedef struct tessera_fixed_input {
  const char* name;
  double value;
} tessera_fixed_input;

struct tessera_value; /* below: whatever a model takes or gives */

/* A constant that is given in place of an initializer of that name in the model: a tensor of the same dtype and shape.
 */
typedef struct tessera_initializer {
  const char* name;
  const struct tessera_value* value;
} tessera_initializer;

/* --- Environments: what sessions share ------------------------------------------------------ */

typedef enum tessera_log_level { TESSERA_LOG_INFORMATION = 0, TESSERA_LOG_WARNING = 1 } tessera_log_level;

typedef struct tessera_environment_options {
  size_t struct_size;
  /* 1: sessions run on the same threads, one loop at a time: a run that finds them taken goes on alone. Their number,
   * 0: one per core, or the caller's own, as in tessera_options. 0: each session has threads of its own. */
  int share_threads;
  int threads;
  tessera_parallel_for parallel_for;
  void* parallel_context;
  /* 1: sessions of the same file (unchanged since), or of equal bytes, with equal options are one: they share weights,
   * what kernels made of them, plans and the device's memory. */
  int share_models;
  /* One line about what happened, without an end of line, valid during the call: a model was loaded; a device is not
   * used, or failed, and why. Called by the thread that loads or runs, by many at once. */
  void (*log)(void* context, tessera_log_level level, const char* text);
  void* log_context;
  /* Where the memory of tensors, arenas and packed weights comes from: `bytes` aligned to `alignment`, or NULL where
   * there is no room, which becomes TESSERA_MEMORY; it need not be zeroed. Both or none. They are called by many
   * threads at once; `release` as long as anything lives that was made by the environment's sessions, results and
   * values included, and so must what they need. A device's memory is its own, as are small objects of the library
   * and what worker threads need in between. */
  void* (*allocate)(void* context, size_t bytes, size_t alignment);
  void (*release)(void* context, void* memory, size_t bytes);
  void* memory_context;
} tessera_environment_options;
typedef struct tessera_environment tessera_environment;
/* `options` may be NULL. An environment may be freed before its sessions, and used by many threads at once. */
TESSERA_API tessera_status* tessera_environment_create(const tessera_environment_options* options,
                                                       tessera_environment** environment);
TESSERA_API void tessera_environment_free(tessera_environment* environment);

/* --- Sessions ------------------------------------------------------------------------------- */

struct tessera_operators; /* below: operators of one's own */
struct tessera_cancel;    /* below: a wish to stop */

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
  int64_t memory_limit;  /* bytes that a run may take: for its work, its results, the plans that it makes, and
                            constants that loading has computed. What is made of the file's weights does not count, up to
                            eight times their size. 0: three quarters of the machine's, or of what the process's cgroup
                            may have */
  /* NULL: the session starts threads - 1 threads of its own. Otherwise it starts none, and runs call this with
   * `count` = `threads`, on the thread that called tessera_run and by one thread at a time (a run that finds
   * it taken by another run of the session goes on alone). It may be shared by sessions if it may be called by many
   * threads at once, and must allow nested calls if sessions are run from its own threads. The caller owns the pool
   * and `parallel_context`; both must outlive the session. Results do not depend on it. */
  tessera_parallel_for parallel_for;
  void* parallel_context;
  /* What follows is 0 or NULL by default. */
  const char* name;                 /* what messages call a model from memory */
  const tessera_fixed_input* fixed; /* inputs that are no inputs any more; those with a default need no number */
  size_t fixed_count;
  int fail_with_device; /* 0: where a device fails, the CPU computes in its place. 1: that is TESSERA_DEVICE */
  const struct tessera_operators* operators; /* that models may use beside tessera's own */
  const tessera_environment* environment;    /* if it has threads, `threads` and `parallel_for` stay 0 */
  size_t most_plans;   /* a plan is made for each combination of input shapes, and so many are kept, those of control
                          flow's bodies among them, the least recently used forgotten first; 0: 1024. They are fewer where
                          they would take a quarter of memory_limit */
  int64_t deadline_ms; /* milliseconds that loading, and each run, may take: then it ends as TESSERA_DEADLINE, within a
                          second; 0: any */
  int64_t most_rounds; /* rounds that the loops of a run may make, all of them together; 0: any */
  const struct tessera_cancel* cancel; /* ends loading; may be NULL */
  /* The session keeps what the values refer to, which sessions may share: weights that are one in memory. */
  const tessera_initializer* initializers;
  size_t initializer_count;
  int copy_files; /* 0: a model's files are mapped, and must not get shorter while the session lives: that would end the
                     process with SIGBUS. 1: they are read into memory when they are loaded */
  int tune; /* 1: whenever a plan is made for a device, the ways in which its kernels may divide their work are tried,
               and the fastest are kept in the cache folder, for every later session on that device with that driver:
               sums may be added in another order then. 0: nothing is tried, what was kept is used */
} tessera_options;
TESSERA_API void tessera_options_init_sized(tessera_options* options, size_t size);
#define tessera_options_init(options) tessera_options_init_sized((options), sizeof *(options))

typedef struct tessera_session tessera_session;

/* Loads a model from a UTF-8 path. Its files are mapped and must not change while the session lives, but with
 * tessera_options.copy_files.
 * External data is read beside the path as it is given, and never through a symbolic link, but for one case: if the
 * path is a link itself, as in a hub's cache, the data may be a link into the same folder.
 * `options` may be NULL. On success *session is to be freed with tessera_session_free. */
TESSERA_API tessera_status* tessera_session_load(const char* path, const tessera_options* options,
                                                 tessera_session** session);
/* From memory, which is copied. Models with external data need a path. */
TESSERA_API tessera_status* tessera_session_load_memory(const void* data, size_t bytes, const tessera_options* options,
                                                        tessera_session** session);
TESSERA_API void tessera_session_free(tessera_session* session);

/* Forgets all plans and gives their memory back. Runs on other threads end undisturbed; the next one plans anew, by
 * the weights that are packed already. */
TESSERA_API tessera_status* tessera_session_forget_plans(const tessera_session* session);

/* "cpu", "vulkan:0"; and why a device that was asked for is not used ("" if it is). */
TESSERA_API const char* tessera_session_device(const tessera_session* session);
TESSERA_API const char* tessera_session_device_note(const tessera_session* session);

typedef enum tessera_kind {
  TESSERA_TENSOR = 0,
  TESSERA_SEQUENCE = 1, /* these pass through tessera_run_values alone */
  TESSERA_OPTIONAL = 2,
  TESSERA_MAP = 3
} tessera_kind;

/* A type as the model declares it, containers with what they hold. Owned by the session. */
typedef struct tessera_type tessera_type;
typedef struct tessera_type_facts {
  size_t struct_size;
  tessera_kind kind;
  tessera_dtype dtype; /* of a tensor's elements, of a map's keys; TESSERA_UNDEFINED where the model does not say */
  int ranked;          /* of tensors, as in tessera_port */
  size_t rank;
  const int64_t* dims;
  const tessera_type* item; /* of a sequence's items, an optional's value, a map's values; NULL where there is none,
                               or where the model does not say */
} tessera_type_facts;
TESSERA_API tessera_status* tessera_type_get(const tessera_type* type, tessera_type_facts* facts);
/* The model's word for an open extent of a tensor: "batch"; "" where it has none. */
TESSERA_API const char* tessera_type_dim_name(const tessera_type* type, size_t axis);

/* An input or output as the model declares it. */
typedef struct tessera_port {
  size_t struct_size;
  const char* name;
  tessera_dtype dtype;
  int ranked; /* 0: the model does not declare a shape; rank is 0 then */
  size_t rank;
  const int64_t* dims; /* -1 where the model leaves an extent open */
  tessera_kind kind;
  int optional;             /* an input that has a default */
  size_t place;             /* of an input: its index among all inputs in the order in which the model declares them */
  const tessera_type* type; /* all of it: names of extents, what containers hold; valid as long as the session */
} tessera_port;
TESSERA_API void tessera_port_init_sized(tessera_port* port, size_t size);
#define tessera_port_init(port) tessera_port_init_sized((port), sizeof *(port))
TESSERA_API size_t tessera_session_input_count(const tessera_session* session); /* of those that have to be given */
/* Inputs with a default (initializers of the same name, from IR version 4 on). They are numbered on behind the
 * others, and a run may give them there. One that is left out has its default: at the end of the list, or as a tensor
 * whose dtype is TESSERA_UNDEFINED and whose data is NULL. Which of them are given decides what is planned: the first
 * run that gives other ones than before takes as long as loading. */
TESSERA_API size_t tessera_session_optional_input_count(const tessera_session* session);
TESSERA_API size_t tessera_session_output_count(const tessera_session* session);
TESSERA_API tessera_status* tessera_session_input(const tessera_session* session, size_t index, tessera_port* port);
TESSERA_API tessera_status* tessera_session_output(const tessera_session* session, size_t index, tessera_port* port);

/* --- Values ----------------------------------------------------------------------------------- */

/* Whatever a model takes or gives: a tensor, of strings too, or a sequence, an optional or a map of them. A handle to
 * something that never changes: many threads may read one at once, handles share what they refer to, and each is freed
 * on its own, in any order, by tessera_value_free. Functions that give a handle give a new one. On failure they set it
 * NULL. */
typedef struct tessera_value tessera_value;

/* A copy of a dense tensor. */
TESSERA_API tessera_status* tessera_value_create_tensor(const tessera_tensor* tensor, tessera_value** value);
/* A dense tensor whose elements stay the caller's, and must not change, until `release` (may be NULL) is called with
 * `context`: once, when nothing refers to them any more, by whichever thread that finds out, perhaps after
 * tessera_value_free. It is not called where this fails. */
TESSERA_API tessera_status* tessera_value_create_around(const tessera_tensor* tensor, void (*release)(void* context),
                                                        void* context, tessera_value** value);
/* A tensor of strings: as many as the extents say, row-major. `lengths` in bytes; NULL: they end in 0. Copied. */
TESSERA_API tessera_status* tessera_value_create_strings(const char* const* texts, const size_t* lengths,
                                                         const int64_t* dims, size_t rank, tessera_value** value);
/* Items are all of one kind, tensors of one dtype, of any shapes. `dtype` is that of the items of an empty sequence
 * of tensors, and may be TESSERA_UNDEFINED otherwise. */
TESSERA_API tessera_status* tessera_value_create_sequence(tessera_dtype dtype, const tessera_value* const* items,
                                                          size_t count, tessera_value** value);
/* `item` NULL: an optional that has none. */
TESSERA_API tessera_status* tessera_value_create_optional(const tessera_value* item, tessera_value** value);
/* `keys` is a tensor of rank 1, of integers or strings, none twice. `values` has as many: a tensor of rank 1, or a
 * sequence. */
TESSERA_API tessera_status* tessera_value_create_map(const tessera_value* keys, const tessera_value* values,
                                                     tessera_value** value);
/* Another handle to the same. */
TESSERA_API tessera_status* tessera_value_share(const tessera_value* value, tessera_value** other);
TESSERA_API void tessera_value_free(tessera_value* value);

TESSERA_API tessera_kind tessera_value_kind(const tessera_value* value); /* NULL: TESSERA_TENSOR */
/* Of a tensor's elements, of the tensors in a sequence, of a map's keys; else TESSERA_UNDEFINED. */
TESSERA_API tessera_dtype tessera_value_dtype(const tessera_value* value);
/* A tensor's elements, a sequence's items, a map's entries; of an optional 1 if it has a value, else 0. */
TESSERA_API size_t tessera_value_count(const tessera_value* value);
/* A tensor, valid as long as the handle; its data must not be written. One of strings has its shape, but no data and 0
 * bytes: ask tessera_value_string. TESSERA_TYPE where the value is no tensor. */
TESSERA_API tessera_status* tessera_value_tensor(const tessera_value* value, tessera_tensor* tensor);
/* Element `index` of a tensor of strings, row-major, valid as long as the handle. It ends in 0, which `length` (may be
 * NULL) does not count. */
TESSERA_API tessera_status* tessera_value_string(const tessera_value* value, size_t index, const char** text,
                                                 size_t* length);
/* Item `index` of a sequence; the value of an optional, whose index is 0; the value of a map's entry. */
TESSERA_API tessera_status* tessera_value_item(const tessera_value* value, size_t index, tessera_value** item);
/* The keys of a map, a tensor of rank 1; and its values in the same order: where they are numbers or strings of one
 * dtype a tensor of rank 1, else a sequence. */
TESSERA_API tessera_status* tessera_value_keys(const tessera_value* map, tessera_value** keys);
TESSERA_API tessera_status* tessera_value_values(const tessera_value* map, tessera_value** values);

/* --- Runs ----------------------------------------------------------------------------------- */

/* A wish to stop a run, made from another thread. Kernels answer within a second, some references only when they are
 * done; what an operator or a thread pool of the caller's, or a device, has begun ends first. */
typedef struct tessera_cancel tessera_cancel;
TESSERA_API tessera_status* tessera_cancel_create(tessera_cancel** cancel);
/* A wish whose flag is the caller's byte: 0, or 1 as soon as runs are to stop. It is read by atomic loads, may be set
 * by any thread or in a signal handler, and must outlive the wish; tessera_cancel_request leaves it alone. */
TESSERA_API tessera_status* tessera_cancel_watch(const volatile unsigned char* flag, tessera_cancel** cancel);
TESSERA_API void tessera_cancel_request(tessera_cancel* cancel);        /* from any thread */
TESSERA_API int tessera_cancel_requested(const tessera_cancel* cancel); /* by any thread; 0 or 1; NULL: 0 */
TESSERA_API void tessera_cancel_free(tessera_cancel* cancel);

typedef struct tessera_result tessera_result;

/* Runs the model on inputs in the order of their numbers. The result owns the outputs. `cancel` may
 * be NULL. */
TESSERA_API tessera_status* tessera_run(const tessera_session* session, const tessera_tensor* inputs,
                                        size_t input_count, const tessera_cancel* cancel, tessera_result** result);
TESSERA_API size_t tessera_result_count(const tessera_result* result);
/* Output `index`, valid as long as the result. TESSERA_UNSUPPORTED where it is no dense tensor: tessera_result_value
 * takes it. */
TESSERA_API tessera_status* tessera_result_tensor(const tessera_result* result, size_t index, tessera_tensor* tensor);
/* Output `index`, whatever it is, as a handle that may outlive the result. */
TESSERA_API tessera_status* tessera_result_value(const tessera_result* result, size_t index, tessera_value** value);
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

/* One step of a run that is over. Texts are valid during the call. */
typedef struct tessera_step {
  size_t struct_size;
  const char* node; /* "" where the model gives none */
  const char* op;
  const char* kernel; /* "conv3x3.avx512" */
  double seconds;
} tessera_step;

typedef struct tessera_run_options {
  size_t struct_size;
  const tessera_cancel* cancel;
  /* Called now and then, at most every 50 ms and with 1 at the end, by the thread that runs: which part of the run's
   * arithmetic is done, 0..1. A device, and a model whose shapes depend on data, tell the end alone. Anything but 0 as
   * an answer ends the run, as TESSERA_CANCELLED. */
  int (*progress)(void* context, double done);
  /* Called behind each step, in the order in which they end, by the thread that runs. A device is slowed down by it. */
  void (*step)(void* context, const tessera_step* step);
  void* context;
  int64_t deadline_ms; /* milliseconds that it may take; 0: as many as the session's options say. One of
                          tessera_run_async begins when its turn comes */
} tessera_run_options;
/* As tessera_run. `options` may be NULL. Callbacks must not throw through. */
TESSERA_API tessera_status* tessera_run_with(const tessera_session* session, const tessera_tensor* inputs,
                                             size_t input_count, const tessera_run_options* options,
                                             tessera_result** result);
/* The same for inputs of all kinds. An entry that is NULL is an optional input that is left out, or an optional that
 * has no value; an input that is an optional takes its value itself, too. */
TESSERA_API tessera_status* tessera_run_values(const tessera_session* session, const tessera_value* const* inputs,
                                               size_t input_count, const tessera_run_options* options,
                                               tessera_result** result);

/* Told at the end of a run that nobody waited for; both belong to the callee, and one of them is NULL. It must not
 * throw through. */
typedef void (*tessera_done)(void* context, tessera_status* status, tessera_result* result);
/* As tessera_run_values, but returns at once. Runs of a session wait for each other in the order of these calls, as
 * many at once as tessera_facts.runs_at_once says, on threads that the session starts for them and on which callbacks
 * are called. Values may be freed at once; what `options` point to must last until the end. What can be said at once is
 * returned, and `done` is not called then. tessera_session_free waits for all runs, unless `done` calls it. */
TESSERA_API tessera_status* tessera_run_async(const tessera_session* session, const tessera_value* const* inputs,
                                              size_t input_count, const tessera_run_options* options, tessera_done done,
                                              void* context);

/* --- Buffers: tensors that stay where they are computed -------------------------------------- */

/* A tensor in the memory of one device, or of the host. What one session leaves in a device's buffer, another one on
 * that device takes from there: nothing crosses the bus between them. A buffer may outlive the sessions that used it,
 * and they it; it must not be freed while a run uses it. Many threads may use one at once, if none of them writes. */
typedef struct tessera_buffer tessera_buffer;

/* `device` as tessera_session_device tells it: "cpu", "vulkan:0". Of `type`, dtype and dims are looked at. What it
 * holds is not defined until it is written. TESSERA_DEVICE where there is no such device. `exported` is not 0: other
 * programs may get it by tessera_buffer_descriptor. */
TESSERA_API tessera_status* tessera_buffer_create(const char* device, const tessera_tensor* type, int exported,
                                                  tessera_buffer** buffer);
/* The caller's own host memory, which must outlive the buffer: for runs with some ends on a device, some here. */
TESSERA_API tessera_status* tessera_buffer_create_around(const tessera_tensor* tensor, tessera_buffer** buffer);
/* The memory that a descriptor stands for, of a buffer of the same type on the same device, perhaps of another process.
 * The descriptor stays the caller's, who may close it at once. */
TESSERA_API tessera_status* tessera_buffer_import(const char* device, const tessera_tensor* type, int descriptor,
                                                  tessera_buffer** buffer);
/* A new file descriptor of its memory, the caller's to close: Vulkan's VK_EXTERNAL_MEMORY_HANDLE_TYPE_OPAQUE_FD_BIT of
 * an allocation that begins with the tensor. TESSERA_UNSUPPORTED where it is the host's memory, the device has no
 * descriptors (VK_KHR_external_memory_fd), or it was not made to be exported. Nothing orders what different programs
 * do: one begins when the other's call has returned. */
TESSERA_API tessera_status* tessera_buffer_descriptor(const tessera_buffer* buffer, int* descriptor);
TESSERA_API void tessera_buffer_free(tessera_buffer* buffer);

typedef struct tessera_buffer_facts {
  size_t struct_size;
  const char* device;    /* "cpu", "vulkan:0" */
  tessera_tensor tensor; /* `data` is NULL unless it is the host's memory */
  /* Bytes that went to the device and came back: by the two functions below, and by runs in which the host computes
   * with it. Those that a session took or left on the device are not among them. */
  int64_t uploaded, downloaded;
} tessera_buffer_facts;
/* Valid as long as the buffer. */
TESSERA_API tessera_status* tessera_buffer_get(const tessera_buffer* buffer, tessera_buffer_facts* facts);
/* All of it, from the caller's memory and to it; `bytes` is the tensor's size. */
TESSERA_API tessera_status* tessera_buffer_write(tessera_buffer* buffer, const void* data, size_t bytes);
TESSERA_API tessera_status* tessera_buffer_read(const tessera_buffer* buffer, void* data, size_t bytes);

/* As tessera_run_with, but from buffers into buffers, none of which is both or there twice. A NULL input is an optional
 * one that is left out. Outputs' types must be those of tessera_output_type. It returns when all outputs are there. A
 * device's buffer goes with sessions on that device alone; a host's with all, and crosses the bus. */
TESSERA_API tessera_status* tessera_run_buffers(const tessera_session* session, const tessera_buffer* const* inputs,
                                                size_t input_count, tessera_buffer* const* outputs, size_t output_count,
                                                const tessera_run_options* options);

/* --- Operators of one's own ------------------------------------------------------------------ */

/* A node of a model as its operator sees it, valid during the call that it comes with. */
typedef struct tessera_node tessera_node;
TESSERA_API const char* tessera_node_name(const tessera_node* node); /* "" where the model gives none */
TESSERA_API int tessera_node_version(const tessera_node* node);      /* of the domain, as the model imports it */
TESSERA_API size_t tessera_node_input_count(const tessera_node* node);
TESSERA_API size_t tessera_node_output_count(const tessera_node* node);
TESSERA_API int tessera_node_has_input(const tessera_node* node, size_t index); /* 0: left out, or there is none */
TESSERA_API int tessera_node_has_output(const tessera_node* node, size_t index);
/* The value of an input that is a constant of the model; NULL in *value where it is none, or is left out. To be freed.
 * Only in `create`. */
TESSERA_API tessera_status* tessera_node_constant(const tessera_node* node, size_t index, tessera_value** value);

typedef enum tessera_attribute_kind {
  TESSERA_NO_ATTRIBUTE = 0, /* the node has none of that name */
  TESSERA_INTEGER = 1,
  TESSERA_REAL = 2,
  TESSERA_TEXT = 3,
  TESSERA_TENSOR_ATTRIBUTE = 4,
  TESSERA_GRAPH = 5, /* cannot be read */
  TESSERA_INTEGERS = 6,
  TESSERA_REALS = 7,
  TESSERA_TEXTS = 8
} tessera_attribute_kind;

/* What the model gives an attribute: `count` values, one where it is no list. */
typedef struct tessera_attribute {
  size_t struct_size;
  const char* name;
  tessera_attribute_kind kind;
  size_t count;
  const int64_t* integers; /* where the kind is of integers; else NULL, as those that follow */
  const float* reals;
  tessera_tensor tensor; /* without data if its elements are strings: ask tessera_node_attribute_value */
} tessera_attribute;
TESSERA_API size_t tessera_node_attribute_count(const tessera_node* node);
TESSERA_API tessera_status* tessera_node_attribute_at(const tessera_node* node, size_t index,
                                                      tessera_attribute* attribute);
TESSERA_API tessera_status* tessera_node_attribute(const tessera_node* node, const char* name,
                                                   tessera_attribute* attribute);
/* Text `index` of an attribute of texts. It ends in 0, which `length` (may be NULL) does not count. */
TESSERA_API tessera_status* tessera_node_attribute_text(const tessera_node* node, const char* name, size_t index,
                                                        const char** text, size_t* length);
/* A tensor as a value, to be freed. */
TESSERA_API tessera_status* tessera_node_attribute_value(const tessera_node* node, const char* name,
                                                         tessera_value** value);

/* What `infer` asks and answers. */
typedef struct tessera_inference tessera_inference;
/* Dtype and extents of an input, without data; dtype TESSERA_UNDEFINED where it is left out. */
TESSERA_API tessera_status* tessera_inference_input(const tessera_inference* inference, size_t index,
                                                    tessera_tensor* type);
/* The value of an input that shapes depend on, to be freed. Where it is known only in a run, this is a failure, which
 * `infer` returns: it is called again when the value is there. */
TESSERA_API tessera_status* tessera_inference_value(tessera_inference* inference, size_t index, tessera_value** value);
/* The type of an output. TESSERA_UNDEFINED: the dtype that the operator's `types` give it. */
TESSERA_API tessera_status* tessera_inference_set(tessera_inference* inference, size_t index, tessera_dtype dtype,
                                                  const int64_t* dims, size_t rank);

/* What `run` computes with. Tensors are valid during the call. */
typedef struct tessera_call tessera_call;
/* A dense tensor; dtype TESSERA_UNDEFINED and no data where it is left out. */
TESSERA_API tessera_status* tessera_call_input(const tessera_call* call, size_t index, tessera_tensor* tensor);
/* Whatever the input is, strings too, as a handle to be freed within the call; NULL in *value where it is left out. */
TESSERA_API tessera_status* tessera_call_input_value(const tessera_call* call, size_t index, tessera_value** value);
/* An output, to be filled. Of an operator with `infer` it has its type: `dims` may be NULL, or must be the same. Of one
 * without, this makes it. TESSERA_UNDEFINED: the dtype that is known. Without data where the node has no such output.
 */
TESSERA_API tessera_status* tessera_call_output(tessera_call* call, size_t index, tessera_dtype dtype,
                                                const int64_t* dims, size_t rank, tessera_tensor* tensor);
/* Any value as an output: strings, and containers where the operator has no `infer`. The handle stays the caller's. */
TESSERA_API tessera_status* tessera_call_set_output(tessera_call* call, size_t index, const tessera_value* value);
/* Calls task(argument, index) once for each index < count, on the session's threads; returns when all have. */
TESSERA_API void tessera_call_parallel(const tessera_call* call, size_t count, tessera_task task, void* argument);
TESSERA_API int tessera_call_threads(const tessera_call* call); /* that tasks may run on */

/* An operator. Its functions return NULL or a failure (tessera_status_create), whose text tessera puts behind the
 * file's and the node's names; they must not throw through. A session calls `infer` and `run` from many threads at
 * once, for one node too: what they write must be guarded or be the call's own. */
typedef struct tessera_operator {
  size_t struct_size;
  const char* domain; /* with `name` none of tessera's own; "" is ONNX's */
  const char* name;
  int version;       /* of the domain: the largest that is not above the model's is taken */
  const char* types; /* "T=float; I=int32|int64 : T, I, T... -> T": see docs/custom-operators.md. NULL: any */
  size_t min_inputs, max_inputs, min_outputs, max_outputs; /* most: SIZE_MAX for any number */
  void* user;                                              /* given to all functions */
  void (*release)(void* user); /* once, when no operators and no session need it any more; may be NULL */
  /* What a node has of its own: called once for each node of a model that is loaded, and destroyed with the last
   * session around it. Both may be NULL; state is NULL then. */
  tessera_status* (*create)(void* user, const tessera_node* node, void** state);
  void (*destroy)(void* user, void* state);
  /* Sets the type of every output. NULL: `run` makes them, and what is behind it is planned when their shapes are
   * known. */
  tessera_status* (*infer)(void* user, void* state, const tessera_node* node, tessera_inference* inference);
  tessera_status* (*run)(void* user, void* state, const tessera_node* node, tessera_call* call);
} tessera_operator;

/* A set of operators to load models with (tessera_options.operators). It may be freed when they are loaded. */
typedef struct tessera_operators tessera_operators;
TESSERA_API tessera_status* tessera_operators_create(tessera_operators** operators);
/* Strings are copied. Where it fails, `release` is not called. */
TESSERA_API tessera_status* tessera_operators_add(tessera_operators* operators, const tessera_operator* definition);
TESSERA_API void tessera_operators_free(tessera_operators* operators);

/* --- What runs need ------------------------------------------------------------------------- */

/* Bytes. */
typedef struct tessera_memory {
  size_t struct_size;
  int64_t weights;        /* of constants as they were loaded; those of a file are resident only while they are read */
  int64_t packed;         /* of what kernels made of them so far */
  int64_t arena;          /* of the host's memory: what one run takes beside inputs and outputs */
  int64_t ends;           /* of its inputs and outputs */
  int64_t device_weights; /* of the device's memory: constants so far */
  int64_t device;         /* of the device's memory: what one run takes beside them; 0 where the host runs all of it */
} tessera_memory;
/* What a run with inputs of these types would need; their data is not looked at. It is planned, and kept for the run.
 * Where shapes depend on data, it is the part before that. */
TESSERA_API tessera_status* tessera_session_forecast(const tessera_session* session, const tessera_tensor* inputs,
                                                     size_t input_count, tessera_memory* memory);
/* Bytes of the device's memory as things stand: what this process uses, and may use. 0 without a device. */
TESSERA_API tessera_status* tessera_session_device_memory(const tessera_session* session, int64_t* used,
                                                          int64_t* budget);

typedef struct tessera_traffic {
  size_t struct_size;
  int64_t uploaded, downloaded; /* bytes */
  int64_t submits;              /* pieces of work that the device was given */
  int64_t busy_ns;              /* how long it worked, by its own clock; 0 if it has none */
} tessera_traffic;
/* What went to the session's device and came back since it was opened, by all sessions that share it; zeros without. */
TESSERA_API tessera_status* tessera_session_traffic(const tessera_session* session, tessera_traffic* traffic);

typedef struct tessera_facts {
  size_t struct_size;
  int has_device;   /* steps may run on a device with memory of its own */
  int threads;      /* of the host, for each run */
  int runs_at_once; /* so many runs from as many threads keep the device and the way to it busy; 1 without a device */
  int row_step; /* a picture that is shifted by a multiple of so many rows and columns is computed alike, to the last
                   bit, if the model itself allows it (see tessera_session_reach) */
  int stores_halves; /* the device stores numbers as float16 */
} tessera_facts;
TESSERA_API tessera_status* tessera_session_facts(const tessera_session* session, tessera_facts* facts);

/* --- Devices -------------------------------------------------------------------------------- */

/* What this machine could run a model on, as it was when the list was made. */
typedef struct tessera_devices tessera_devices;
typedef struct tessera_device {
  size_t struct_size;
  const char* id;     /* for tessera_options.device: "cpu", "vulkan:0" */
  const char* name;   /* "NVIDIA H100" */
  const char* driver; /* and its version, "Vulkan 1.3.277" last; "" of the CPU */
  int64_t memory;     /* bytes of its own; of the CPU: the machine's, or what the process's cgroup may have */
  int threads;        /* of the CPU: cores that the process may use; else 0 */
  int software;       /* a device made of software: used only where it is named */
  int fp16;           /* it can store numbers as float16 */
  int matrix_units;   /* it multiplies small matrices at once */
} tessera_device;
/* Loads the machine's drivers, which may take a second. The CPU is the first and always there. */
TESSERA_API tessera_status* tessera_devices_list(tessera_devices** devices);
TESSERA_API size_t tessera_devices_count(const tessera_devices* devices);
/* Texts are valid as long as the list. */
TESSERA_API tessera_status* tessera_devices_get(const tessera_devices* devices, size_t index, tessera_device* device);
TESSERA_API const char* tessera_devices_note(const tessera_devices* devices); /* why the CPU is alone; else "" */
TESSERA_API void tessera_devices_free(tessera_devices* devices);

/* --- What a model says of itself ------------------------------------------------------------ */

typedef struct tessera_model {
  size_t struct_size;
  const char* path;     /* or the name that messages use */
  const char* producer; /* name and version, "" where the file does not say */
  int ir_version;
  int64_t weight_bytes;
  size_t node_count; /* after functions were written out, without those in bodies of control flow */
  size_t metadata_count, opset_count, operator_count;
  /* The file's words for people; "" where it has none. */
  const char *producer_name, *producer_version, *domain, *description, *graph_name, *graph_description;
  int64_t version; /* of the model */
} tessera_model;
TESSERA_API tessera_status* tessera_session_model(const tessera_session* session, tessera_model* model);
/* A key of the file's own metadata, and its value. */
TESSERA_API tessera_status* tessera_session_metadata(const tessera_session* session, size_t index, const char** key,
                                                     const char** value);
/* A set of operators that the model imports; "" is ONNX's own. */
TESSERA_API tessera_status* tessera_session_opset(const tessera_session* session, size_t index, const char** domain,
                                                  int* version);
/* An operator that the model uses, those in bodies of control flow too, and how many of its nodes are one. */
TESSERA_API tessera_status* tessera_session_operator(const tessera_session* session, size_t index, const char** domain,
                                                     const char** name, size_t* nodes);

/* What a run consists of, for inputs of these types (their data is not looked at): it is planned, and kept for the run.
 * Where shapes depend on data, it is the part before that. */
typedef struct tessera_steps tessera_steps;
TESSERA_API tessera_status* tessera_session_steps(const tessera_session* session, const tessera_tensor* inputs,
                                                  size_t input_count, tessera_steps** steps);
TESSERA_API size_t tessera_steps_count(const tessera_steps* steps);
TESSERA_API void tessera_steps_free(tessera_steps* steps);
typedef struct tessera_step_facts {
  size_t struct_size;
  const char *node, *op; /* as the model has them, or as they were made of its nodes; "" where a node has no name */
  const char* kernel;    /* "conv3x3.avx512"; "in place" where nothing is left to do */
  const char* device;    /* "cpu", "vulkan:0" */
  const char* why;       /* why it is not on the session's device; "" where it is, or where there is none */
  double flops;          /* multiplications and additions */
  int64_t bytes;         /* read and written, weights included */
  size_t input_count, output_count;
} tessera_step_facts;
/* Texts are valid as long as the steps. */
TESSERA_API tessera_status* tessera_steps_get(const tessera_steps* steps, size_t index, tessera_step_facts* facts);
/* The type of a step's input, or output if `output` is not 0: dtype, dims and bytes, without data. One that is left out
 * is TESSERA_UNDEFINED. */
TESSERA_API tessera_status* tessera_steps_operand(const tessera_steps* steps, size_t index, int output, size_t operand,
                                                  tessera_tensor* type);

/* --- How far a model looks ------------------------------------------------------------------ */

/* Which input is a picture, in which output its pixels are to be found again, and along which axes rows and columns
 * lie. */
typedef struct tessera_reach_query {
  size_t struct_size;
  size_t input, output;
  size_t input_axes[2], output_axes[2]; /* the axis of rows, the axis of columns */
} tessera_reach_query;
typedef struct tessera_reach tessera_reach;
/* Walks over the graph as it was loaded, for inputs of these types (their data is not looked at). What does not depend
 * on the picture's size is the same for all sizes: ask for two. */
TESSERA_API tessera_status* tessera_session_reach(const tessera_session* session, const tessera_tensor* inputs,
                                                  size_t input_count, const tessera_reach_query* query,
                                                  tessera_reach** reach);
TESSERA_API void tessera_reach_free(tessera_reach* reach);

/* Arrays hold rows, then columns. Output pixel i depends on the input's pixels from i * step + low to i * step + high.
 */
typedef struct tessera_reach_facts {
  size_t struct_size;
  int followed; /* every operator on the way is understood, and the output is a picture; 0: no other number counts */
  int global;   /* a pixel may depend on all of the picture, or on where it lies; pools and stretches apart */
  const char* reason; /* the operator that is not followed, or that sees everything; "" */
  double step[2], low[2], high[2];
  int64_t
      lattice[2]; /* a picture that is shifted by so many pixels gives a result that is shifted, and no other change */
  size_t pool_count, stretch_count;
} tessera_reach_facts;
/* `reason` is valid as long as the reach. */
TESSERA_API tessera_status* tessera_reach_get(const tessera_reach* reach, tessera_reach_facts* facts);

typedef enum tessera_pooled {
  TESSERA_POOLED_MEAN,
  TESSERA_POOLED_LARGEST,
  TESSERA_POOLED_SUM,
  TESSERA_POOLED_NORM /* the root of the sum of squares */
} tessera_pooled;
/* A mean, a maximum or a sum over all rows and columns, in the middle of a model: what it is for a large picture can be
 * had from parts of it (see tessera_session_part). */
typedef struct tessera_pool {
  size_t struct_size;
  const char *in, *out; /* values that it reads and makes */
  tessera_dtype dtype;  /* of the result */
  size_t rank;
  const int64_t* dims;
  int largest;      /* a maximum */
  int stage;        /* pools on the way to it */
  size_t axes[2];   /* of `in`: rows and columns */
  double step[2];   /* the picture's pixels from one index to the next */
  double middle[2]; /* the middle of what index 0 sees */
  tessera_pooled pooled;
} tessera_pool;
/* Texts and dims are valid as long as the reach. */
TESSERA_API tessera_status* tessera_reach_pool(const tessera_reach* reach, size_t index, tessera_pool* pool);

/* Values on a coarse grid that are stretched over the picture, whatever its size: where an element of the grid comes to
 * lie depends on that. A part of a picture is computed as in the whole if it is told where it lies
 * (tessera_part.stretched). */
typedef struct tessera_stretch {
  size_t struct_size;
  const char* out;                /* the stretched value */
  int64_t in_extent[2];           /* rows and columns of the grid, for the inputs that were asked about */
  int64_t out_extent[2];          /* those of the stretched value */
  double in_step[2], out_step[2]; /* the picture's pixels from one to the next */
} tessera_stretch;
/* The text is valid as long as the reach. */
TESSERA_API tessera_status* tessera_reach_stretch(const tessera_reach* reach, size_t index, tessera_stretch* stretch);
/* What `out_count` elements from `out` on are made of, of `in_count` elements of the grid from `in` on: a matrix of
 * weights with one row for each of the former (side 0: rows) or one column (side 1: columns). */
TESSERA_API tessera_status* tessera_reach_weights(const tessera_reach* reach, size_t index, int side, int64_t out,
                                                  int64_t out_count, int64_t in, int64_t in_count, float* matrix);

/* --- Parts of a model, and models with pixels at their ends --------------------------------- */

/* From the model's inputs and values that are given, to values that are wanted. Values have the names that the model
 * gives them; those in bodies of control flow have none. An input that is given has another type: its extents may be
 * opened, if the graph bears it. A Resize to numbers that are the declared size's becomes one by its scales then. */
typedef struct tessera_part {
  size_t struct_size;
  const char* const* given;
  const tessera_tensor* given_types; /* as many; an extent is -1 where it is open. Their data is not looked at */
  size_t given_count;
  const char* const* wanted;
  size_t wanted_count; /* 0: the model's outputs */
  /* Values that a tessera_stretch names: the part has two inputs more for each, behind the others, the weights of its
   * rows and those of its columns (tessera_reach_weights). */
  const char* const* stretched;
  size_t stretched_count;
} tessera_part;
/* A session of a part of the session's model: its inputs are those of the model that have to be given, then those of
 * the part. It shares the model's weights, and the session may go before it. `options` NULL: it is as the session, and
 * runs on the same device and threads. */
TESSERA_API tessera_status* tessera_session_part(const tessera_session* session, const tessera_part* part,
                                                 const tessera_options* options, tessera_session** result);

/* How the samples of a pixel become a model's channels. */
typedef struct tessera_pixels_in {
  size_t struct_size;
  int bits;                   /* 8 or 16 of a sample */
  size_t samples;             /* of a pixel */
  size_t channels;            /* of the model's only input */
  int packed;                 /* 0: rows and columns of channels, [1,C,H,W] or [C,H,W]. 1: [1,H,W,C] or [H,W,C] */
  const int64_t* from;        /* of each channel: the sample that goes into it, or -1 for the largest sample there is */
  const float *black, *white; /* of each channel: its numbers for sample 0 and for the largest sample */
} tessera_pixels_in;
/* How channels become samples: rounded to the nearest, clamped. */
typedef struct tessera_pixels_out {
  size_t struct_size;
  int bits;
  size_t output;       /* which of the model's outputs */
  size_t channels;     /* of it */
  int packed, batched; /* as above; batched: it has the axis of extent 1 in front */
  size_t from_count;
  const int64_t* from;        /* the channels that are wanted; each is a sample, */
  int mean;                   /* but if this is not 0, the first three together are one: their mean */
  const float *black, *white; /* of each of the model's channels */
} tessera_pixels_out;
/* A session of the same model with pixels at both ends, which computes all that is between the pixels, shares the
 * session's device, threads and weights, and may outlive it. Its input is uint8 or uint16 [height, width, samples]. Its
 * outputs are the same for the result, and float32 [3, samples of a pixel]: how many values are no finite
 * numbers, the least value and the greatest, with black as 0 and white as 1, before they are clamped. */
TESSERA_API tessera_status* tessera_session_pixels(const tessera_session* session, const tessera_pixels_in* in,
                                                   const tessera_pixels_out* out, tessera_session** result);

#ifdef __cplusplus
}
#endif
#endif
