// The C interface of files of pictures.
#include "include/tessera/pictures.h"
#include "runtime/base/c_interface.h"
#include "upscale/caller_rows.h"
#include "upscale/codecs/files.h"
#include "upscale/codecs/formats.h"

namespace tessera::c_api {
#include "upscale/codecs/public_members.def"
#include "upscale/public_members.def"
}  // namespace tessera::c_api

using namespace tessera;
using namespace tessera::c_api;
using namespace tessera::upscale;

struct tessera_picture_reader {
  std::string name;
  std::optional<Input> file;
  List<std::byte> bytes;
  DecodeLimits limits;
  std::string format;
  std::unique_ptr<Reader> reader;
  int64_t next = 0;
  Bytes band;
};

struct tessera_picture_writer {
  std::string name;
  NewFile file;
  Bytes bytes;
  bool in_memory = false, finished = false;
  Head head;
  std::vector<std::string> notes;
  std::unique_ptr<Writer> writer;
  int64_t next = 0;
  Bytes band;
};

namespace {

/// Bytes of rows that are converted at a time.
constexpr int64_t band_bytes = int64_t{1} << 20;

/// Calls f(count) for bands of `count` rows, and gives `band` room for each.
template <class F>
void by_bands(const Frame& frame, int64_t count, Bytes& band, const F& f) {
  const int64_t rows = std::clamp<int64_t>(band_bytes / std::max<int64_t>(1, frame.row_bytes()), 1, count);
  band.resize(static_cast<size_t>(rows * frame.row_bytes()));
  for (int64_t y = 0; y < count; y += rows) f(std::min(rows, count - y));
}

/// An error that names the file.
template <class Body>
void naming(const std::string& name, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    if (Text(error.what()).starts_with(name + ": ")) throw;
    throw Error(error.kind(), cat(name, ": ", error.what()));
  }
}

template <class Give>
tessera_status* open(const tessera_picture_reader_options* options, tessera_picture_reader** reader, const Give& give) {
  return guard([&] {
    require(reader);
    *reader = nullptr;
    const tessera_picture_reader_options given = read_struct(options, "tessera_picture_reader_options");
    auto made = std::make_unique<tessera_picture_reader>();
    made->limits.raised_by = "most_pixels";
    if (given.most_pixels < 0) fail(Error::Kind::usage, "most_pixels is ", given.most_pixels);
    if (given.most_pixels) made->limits.pixels = given.most_pixels;
    made->limits.upright = !given.as_stored;
    give(*made, given);
    naming(made->name, [&] {
      made->reader = open_reader(made->bytes, made->limits);
      made->format = extension_of(*recognize(made->bytes));
    });
    *reader = made.release();
  });
}

template <class Value>
void point_at(const Value& bytes, const void*& data, size_t& size) {
  data = bytes.empty() ? nullptr : bytes.data();
  size = bytes.size();
}

tessera_dtype dtype_of(const Frame& frame) {
  return frame.bits == 8 ? TESSERA_UINT8 : frame.bits == 16 ? TESSERA_UINT16 : TESSERA_FLOAT32;
}

void check_rows(int64_t wanted, int64_t next, const Frame& frame, int64_t width) {
  if (width != frame.width) fail(Error::Kind::usage, "its rows have ", frame.width, " pixels, not ", width);
  if (wanted > frame.height - next)
    fail(Error::Kind::usage, frame.height - next, " of its ", frame.height, " rows are left, not ", wanted);
}

Bytes bytes_of(const void* data, size_t size) {
  require(data);
  const auto* first = static_cast<const std::byte*>(data);
  return {first, first + size};
}

Head head_of(const tessera_picture_writer_options& given) {
  Head head;
  // What is to be said of the frame is what is said of its rows.
  tessera_picture rows{};
  rows.width = given.width, rows.height = given.height, rows.channels = given.channels, rows.dtype = given.dtype;
  rows.light = given.light;
  const float somewhere = 0;
  rows.data = const_cast<float*>(&somewhere);
  if (given.like) static_cast<Metadata&>(head) = given.like->reader->head();
  static_cast<Frame&>(head) = CallerSource(rows).head();
  if (given.icc_bytes) head.icc = bytes_of(given.icc, given.icc_bytes), head.color = {};
  if (given.density_x > 0 || given.density_y > 0)
    head.density = Density{given.density_x > 0 ? given.density_x : given.density_y,
                           given.density_y > 0 ? given.density_y : given.density_x};
  if (given.text_count) {
    require(given.texts);
    head.texts.clear();
  }
  for (size_t i = 0; i < given.text_count; ++i) {
    require(given.texts[i].key, given.texts[i].text);
    head.texts.push_back({given.texts[i].key, given.texts[i].text, {}, {}});
  }
  renew_metadata(head);
  return head;
}

Format format_for(const tessera_picture_writer_options& given, const char* path) {
  const Text word = given.format ? given.format : path ? path : "";
  const std::optional<Format> format = given.format || word.find('.') != Text::npos ? format_of(word) : std::nullopt;
  if (!format || !is_written(*format))
    fail(Error::Kind::usage, given.format || !path ? cat("format \"", word, '"') : std::string("its ending"), ": give ",
         extensions_of_formats());
  if (given.quality < 0 || given.quality > 100)
    fail(Error::Kind::usage, "quality is ", given.quality, ", not 1 to 100");
  if (given.lossless && (given.quality || loses(*format)))
    fail(Error::Kind::usage,
         given.quality ? "lossless, and a quality" : cat(extension_of(*format), " always loses something"));
  return *format;
}

template <class Prepare>
tessera_status* create(const char* path, const tessera_picture_writer_options* options, tessera_picture_writer** writer,
                       const Prepare& prepare) {
  return guard([&] {
    require(options, writer);
    *writer = nullptr;
    const tessera_picture_writer_options given = read_struct(options, "tessera_picture_writer_options");
    auto made = std::make_unique<tessera_picture_writer>();
    made->name = path ? path : "picture in memory";
    naming(made->name, [&] {
      const Format format = format_for(given, path);
      made->head = head_of(given);
      EncodeOptions encode;
      if (given.quality) encode.quality = given.quality;
      encode.threads = given.threads;
      encode.dither = given.dither != 0;
      Sink sink;
      prepare(*made, sink);
      made->writer = open_writer(made->head, format, encode, std::move(sink), made->notes);
    });
    *writer = made.release();
  });
}

void require_open(const tessera_picture_writer& writer) {
  if (writer.finished) fail(Error::Kind::usage, "it is finished already");
}

}  // namespace

tessera_status* tessera_picture_reader_open(const char* path, const tessera_picture_reader_options* options,
                                            tessera_picture_reader** reader) {
  return open(options, reader, [&](tessera_picture_reader& made, const tessera_picture_reader_options&) {
    require(path);
    made.name = path;
    made.file.emplace(made.name);
    made.bytes = made.file->bytes();
  });
}

tessera_status* tessera_picture_reader_open_memory(const void* data, size_t bytes,
                                                   const tessera_picture_reader_options* options,
                                                   tessera_picture_reader** reader) {
  return open(options, reader, [&](tessera_picture_reader& made, const tessera_picture_reader_options& given) {
    require(data);
    made.name = given.name ? given.name : "picture in memory";
    made.bytes = {static_cast<const std::byte*>(data), bytes};
  });
}

void tessera_picture_reader_free(tessera_picture_reader* reader) { delete reader; }

tessera_status* tessera_picture_reader_ask(const tessera_picture_reader* reader, tessera_picture_facts* facts) {
  return guard([&] {
    require(reader);
    const Head& head = reader->reader->head();
    tessera_picture_facts told{};
    told.format = reader->format.c_str();
    told.width = head.width;
    told.height = head.height;
    told.channels = head.channels;
    told.dtype = dtype_of(head);
    told.light = head.bits == 32;
    told.orientation = reader->limits.upright ? 1 : reader->reader->orientation();
    if (head.density && head.density->absolute) {
      told.density_x = head.density->x;
      told.density_y = head.density->y;
    }
    point_at(head.icc, told.icc, told.icc_bytes);
    point_at(head.exif, told.exif, told.exif_bytes);
    point_at(head.xmp, told.xmp, told.xmp_bytes);
    point_at(head.iptc, told.iptc, told.iptc_bytes);
    told.text_count = head.texts.size();
    told.held_bytes = reader->reader->held_bytes();
    write_struct(told, facts, "tessera_picture_facts");
  });
}

const char* tessera_picture_reader_text(const tessera_picture_reader* reader, size_t index, const char** key) {
  const TextEntry* entry =
      reader && index < reader->reader->head().texts.size() ? &reader->reader->head().texts[index] : nullptr;
  if (key) *key = entry ? entry->key.c_str() : nullptr;
  return entry ? entry->text.c_str() : nullptr;
}

const char* tessera_picture_reader_note(const tessera_picture_reader* reader, size_t index) {
  return reader && index < reader->reader->head().notes.size() ? reader->reader->head().notes[index].c_str() : nullptr;
}

tessera_status* tessera_picture_reader_read(tessera_picture_reader* reader, const tessera_picture* rows) {
  return guard([&] {
    require(reader, rows);
    naming(reader->name, [&] {
      CallerSink to(read_struct(rows, "tessera_picture"));
      const Head& head = reader->reader->head();
      const Frame& wanted = to.frame();
      check_rows(wanted.height, reader->next, head, wanted.width);
      if ((head.bits == 32) != (wanted.bits == 32))
        fail(Error::Kind::usage,
             head.bits == 32 ? "its samples are light: read them as such" : "its samples are no light");
      if (wanted.color_channels() < head.color_channels())
        fail(Error::Kind::usage, "it has colors, and the rows have ", wanted.channels, " channels");
      const RowConverter converter(head, wanted);
      const bool same = head.bits == wanted.bits && head.channels == wanted.channels;
      Bytes converted;
      by_bands(head, wanted.height, reader->band, [&](int64_t count) {
        reader->reader->rows(count, reader->band.data());
        if (!same) {
          converted.resize(static_cast<size_t>(count * wanted.row_bytes()));
          converter.run(reader->band.data(), reader->next, count, converted.data());
        }
        to.write(same ? reader->band.data() : converted.data(), count);
        reader->next += count;
      });
    });
  });
}

tessera_status* tessera_picture_reader_restart(tessera_picture_reader* reader) {
  return guard([&] {
    require(reader);
    if (reader->next == 0) return;
    naming(reader->name, [&] { reader->reader = open_reader(reader->bytes, reader->limits); });
    reader->next = 0;
  });
}

tessera_status* tessera_picture_writer_create(const char* path, const tessera_picture_writer_options* options,
                                              tessera_picture_writer** writer) {
  return create(path, options, writer, [&](tessera_picture_writer& made, Sink& sink) {
    require(path);
    WriteOptions write;
    write.at_end = true;
    made.file = NewFile(made.name, write);
    sink.write = [file = &made.file](List<std::byte> bytes) { file->write(bytes); };
    sink.overwrite = [file = &made.file](int64_t at, List<std::byte> bytes) { file->overwrite(at, bytes); };
  });
}

tessera_status* tessera_picture_writer_create_memory(const tessera_picture_writer_options* options,
                                                     tessera_picture_writer** writer) {
  return create(nullptr, options, writer, [&](tessera_picture_writer& made, Sink& sink) {
    made.in_memory = true;
    sink.write = [to = &made.bytes](List<std::byte> more) { to->insert(to->end(), more.begin(), more.end()); };
    sink.overwrite = [to = &made.bytes](int64_t at, List<std::byte> better) {
      std::copy(better.begin(), better.end(), to->begin() + at);
    };
  });
}

tessera_status* tessera_picture_writer_write(tessera_picture_writer* writer, const tessera_picture* rows) {
  return guard([&] {
    require(writer, rows);
    naming(writer->name, [&] {
      require_open(*writer);
      CallerSource from(read_struct(rows, "tessera_picture"));
      const Frame& given = from.head();
      check_rows(given.height, writer->next, writer->head, given.width);
      if (given.channels != writer->head.channels || given.bits != writer->head.bits)
        fail(Error::Kind::usage, "it was to have rows of ", writer->head.channels, " channels with ", writer->head.bits,
             " bits, not of ", given.channels, " with ", given.bits);
      by_bands(given, given.height, writer->band, [&](int64_t count) {
        from.read(count, writer->band.data());
        writer->writer->rows(writer->band.data(), count);
        writer->next += count;
      });
    });
  });
}

tessera_status* tessera_picture_writer_finish(tessera_picture_writer* writer) {
  return guard([&] {
    require(writer);
    naming(writer->name, [&] {
      require_open(*writer);
      if (writer->next < writer->head.height)
        fail(Error::Kind::usage, writer->head.height - writer->next, " of its ", writer->head.height,
             " rows have not come");
      writer->finished = true;  // whatever comes: half a file is not gone on with
      writer->writer->finish();
      if (writer->in_memory) return;
      writer->file.flush();
      writer->file.publish();
    });
  });
}

tessera_status* tessera_picture_writer_bytes(const tessera_picture_writer* writer, const void** data, size_t* bytes) {
  return guard([&] {
    require(writer, data, bytes);
    if (!writer->in_memory || !writer->finished)
      fail(Error::Kind::usage, writer->name, writer->in_memory ? ": is not finished" : ": is a file, not in memory");
    point_at(writer->bytes, *data, *bytes);
  });
}

const char* tessera_picture_writer_note(const tessera_picture_writer* writer, size_t index) {
  return writer && index < writer->notes.size() ? writer->notes[index].c_str() : nullptr;
}

void tessera_picture_writer_free(tessera_picture_writer* writer) { delete writer; }
