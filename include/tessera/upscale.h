/* tessera upscale: pictures through ONNX upscalers, at any size. The C interface of libtessera_upscale.
 *
 * What tessera.h says of statuses, structs, strings and ownership holds here too. No files of pictures are read or
 * written: pixels come from the caller's memory and go there.
 * An upscaler may be used by many threads at once; what is opened, asked and freed is so by one thread at a time.
 */
#ifndef TESSERA_UPSCALE_H
#define TESSERA_UPSCALE_H

#include <tessera/tessera.h>

#ifdef __cplusplus
extern "C" {
#endif

/* --- Models --------------------------------------------------------------------------------- */

/* 0 or NULL is the default of all. */
typedef struct tessera_upscaler_options {
  size_t struct_size;
  const char* devices;   /* as tessera_options.device names one; several are joined by commas and share the windows of a
                            picture. One that fails, or whose numbers are wrong, leaves its work to the others or the
                            CPU. NULL: "auto" */
  const char* precision; /* as tessera_options has it. Results of "fp16" are compared with single precision in places */
  int threads;           /* of the CPU; 0: one per core that the process may use */
  const char* name;      /* what messages call a model from memory */
  const tessera_fixed_input* fixed; /* inputs beside the picture; those with a default need none */
  size_t fixed_count;
  int64_t tile;     /* input pixels a side that a window adds, at least 32; 0: as memory allows */
  int64_t overlap;  /* input pixels that windows overlap by; 0: as far as the model looks; negative: none */
  int64_t memory;   /* bytes that one run of the model may take; 0: from what the machine has free */
  int mean_of_8;    /* not 0: mean over the 8 turned and mirrored versions of the picture */
  int smooth_alpha; /* not 0: transparency by a bicubic filter, not by the model */
  const char *range, *range_out; /* the model's numbers for black and white, as "0:255", or one such for each channel
                                    joined by commas; NULL: found by asking the model. range_out NULL: as range */
  const char* order;             /* "rgb" or "bgr": which channel is first; NULL: found */
  const char* output; /* name of the output that is the picture; NULL: of those that resemble it, the largest */
  int copy_files;     /* as tessera_options has it */
} tessera_upscaler_options;

typedef struct tessera_upscaler tessera_upscaler;
/* Opens a model file (UTF-8 path), or a model that is part of the library, by its name, as `tessera models` lists them
 * and asks it how it wants its pictures: its declarations and metadata, then its answers to small test pictures. NULL:
 * all models of the library; each picture gets the one for what it shows (a photo, a drawing) and for the size of its
 * result, and facts are those of the first, photo-x2. TESSERA_UNSUPPORTED if it is no upscaler. Answers are kept in the
 * cache folder (TESSERA_CACHE, or the user's), for the next time. */
TESSERA_API tessera_status* tessera_upscaler_open(const char* path, const tessera_upscaler_options* options,
                                                  tessera_upscaler** upscaler);
/* From memory, which is copied. */
TESSERA_API tessera_status* tessera_upscaler_open_memory(const void* data, size_t bytes,
                                                         const tessera_upscaler_options* options,
                                                         tessera_upscaler** upscaler);
TESSERA_API void tessera_upscaler_free(tessera_upscaler* upscaler);

/* What was found out of a model. */
typedef struct tessera_upscaler_facts {
  size_t struct_size;
  const char* name;           /* its path, or what messages call it */
  int64_t scale;              /* how often larger its result is */
  int channels, out_channels; /* 1 luma, 3 RGB, 4 RGBA */
  tessera_dtype dtype;        /* of its input */
  int packed;                 /* channels are the last axis */
  int blue_first;
  int linear;               /* numbers are proportional to light, not gamma-coded */
  float black[4], white[4]; /* its numbers for them, of red, green, blue (or luma) and alpha */
  float out_black[4], out_white[4];
  int64_t multiple;                  /* sizes that it takes are multiples of it, */
  int64_t smallest;                  /* at least this; */
  int64_t fixed_width, fixed_height; /* or these alone; 0: any. The upscaler takes pictures of all sizes */
  int64_t reach;            /* input pixels around a pixel that its result depends on; -1: not known before it is
                               measured, which the first picture in several windows does */
  int64_t lattice, overlap; /* windows begin on multiples of it, and overlap by so many pixels */
  int sees_all;             /* a pixel may depend on the whole picture: windows differ from it, as a note says */
  size_t device_count, note_count;
} tessera_upscaler_facts;
TESSERA_API tessera_status* tessera_upscaler_ask(const tessera_upscaler* upscaler, tessera_upscaler_facts* facts);
/* A device that it was opened on: "cpu", "vulkan:0 in fp16"; NULL where there is no such. */
TESSERA_API const char* tessera_upscaler_device(const tessera_upscaler* upscaler, size_t index);
/* What is to be said of opening it, as that a device is missing; NULL where there is no such. */
TESSERA_API const char* tessera_upscaler_note(const tessera_upscaler* upscaler, size_t index);

/* All that was found out of a model, and how: for people to read. What is not known yet is measured now. */
typedef struct tessera_findings tessera_findings;
TESSERA_API tessera_status* tessera_upscaler_explain(const tessera_upscaler* upscaler, tessera_findings** findings);
TESSERA_API size_t tessera_findings_count(const tessera_findings* findings);
/* "scale", "x2", and the evidence; valid as long as the findings. */
TESSERA_API tessera_status* tessera_findings_get(const tessera_findings* findings, size_t index, const char** what,
                                                 const char** value, const char** evidence);
TESSERA_API void tessera_findings_free(tessera_findings* findings);

/* --- Pictures ------------------------------------------------------------------------------- */

/* A picture in the caller's memory. Samples are gamma-coded, alpha is straight. */
typedef struct tessera_picture {
  size_t struct_size;
  int64_t width, height; /* at least 1 */
  int channels;          /* 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA */
  tessera_dtype dtype; /* TESSERA_UINT8, TESSERA_UINT16; TESSERA_FLOAT32 in 0..1, which is read and written in steps of
                          1/65535 and clamped */
  void* data;          /* the first sample of the first pixel; only read where it is a source. Aligned to its type */
  /* Bytes from one row, pixel, or channel of a pixel to the next; may be negative. 0: rows follow each other, as do
   * pixels, as do samples; so a plane for each channel has pixel_stride = bytes of a sample. */
  int64_t row_stride, pixel_stride, channel_stride;
  int light; /* not 0: samples of TESSERA_FLOAT32 are proportional to light, not gamma-coded, and may be brighter than
                white, 1: they stay so. Of a source and its result, both are or none */
} tessera_picture;

/* Called now and then: which part of the work is done, 0..1. From any thread, by one at a time. Anything but 0 as an
 * answer ends the work, as TESSERA_CANCELLED. */
typedef int (*tessera_upscale_progress)(void* context, double done);

typedef struct tessera_upscale_options {
  size_t struct_size;
  int64_t width, height; /* of the whole result; 0: the source's times the model's scale. What is no power of the scale
                            is made by a filter behind the model */
  int64_t x, y;          /* where in the whole result the given result begins: only the windows that it needs are
                            computed, and its samples are those of the whole, to the last bit. A result of the whole
                            result's size begins at 0, 0 */
  tessera_upscale_progress progress;
  void* context;
  const tessera_cancel* cancel; /* or NULL; heeded between the model's steps */
} tessera_upscale_options;

typedef struct tessera_upscale_report tessera_upscale_report;

/* Upscales `source` into `result`, whose extents say how much of the whole result is wanted. Both have as many
 * channels, unless the model gives colors to gray (facts: channels 1, out_channels 3): then the result has two more.
 * Their dtypes may differ. `options` may be NULL. `report` may be NULL; else it is to be freed, and is NULL after a
 * failure. A result is written row by row; after a failure some of its rows may have been written. */
TESSERA_API tessera_status* tessera_upscale(const tessera_upscaler* upscaler, const tessera_picture* source,
                                            const tessera_picture* result, const tessera_upscale_options* options,
                                            tessera_upscale_report** report);

typedef struct tessera_upscale_summary {
  size_t struct_size;
  int64_t windows;                     /* that were computed */
  int64_t window_width, window_height; /* input pixels of one */
  double model_seconds;                /* spent in the model, by all threads and devices together */
  double seam;                         /* the largest difference, in 0..1, of two windows where they meet */
  size_t note_count;
  const char* model; /* that was taken; valid as long as the report */
} tessera_upscale_summary;
TESSERA_API tessera_status* tessera_upscale_report_get(const tessera_upscale_report* report,
                                                       tessera_upscale_summary* summary);
/* What a user should know: a device that failed, tiles that differ. NULL where there is no such. */
TESSERA_API const char* tessera_upscale_report_note(const tessera_upscale_report* report, size_t index);
TESSERA_API void tessera_upscale_report_free(tessera_upscale_report* report);

/* What a picture would take. */
typedef struct tessera_upscale_forecast {
  size_t struct_size;
  int64_t windows, window_width, window_height;
  int64_t run_bytes; /* of the memory of whatever runs the model, for one window; windows run at once on each device */
  int64_t weight_bytes; /* of the model's file */
  double seconds; /* by what a small picture takes now on the devices of the upscaler, measured by the first call */
} tessera_upscale_forecast;
TESSERA_API tessera_status* tessera_upscaler_forecast(const tessera_upscaler* upscaler, int64_t width, int64_t height,
                                                      int channels, tessera_upscale_forecast* forecast);

#ifdef __cplusplus
}
#endif
#endif
