// Pictures through upscalers.
#include "opened.h"
#include "tensor.h"
#include "wish.h"

namespace tessera::python {
namespace {

using Shared = std::shared_ptr<tessera_upscaler>;

Shared open_upscaler(PyObject* self) { return opened<tessera_upscaler>(self, "the upscaler is closed"); }

PyObject* make_upscaler(PyTypeObject* type, PyObject* arguments, PyObject*) {
  return guard([&] {
    PyObject *source = nullptr, *pairs = nullptr;
    tessera_upscaler_options options;
    TESSERA_INIT(&options);
    long long tile = 0, overlap = 0, memory = 0;
    if (!PyArg_ParseTuple(arguments, "OzziOLLLppzzzzzp", &source, &options.devices, &options.precision,
                          &options.threads, &pairs, &tile, &overlap, &memory, &options.mean_of_8, &options.smooth_alpha,
                          &options.range, &options.range_out, &options.order, &options.output, &options.name,
                          &options.copy_files))
      throw Raised();
    options.tile = tile;
    options.overlap = overlap;
    options.memory = memory;
    const std::vector<tessera_fixed_input> fixed = fixed_inputs(pairs);
    options.fixed = fixed.data();
    options.fixed_count = fixed.size();
    tessera_upscaler* upscaler = nullptr;
    const auto open = [&](const char* path) { return tessera_upscaler_open(path, &options, &upscaler); };
    if (source == Py_None)
      check(unlocked([&] { return open(nullptr); }));
    else
      open_source(source, open, [&](const void* data, size_t bytes) {
        return tessera_upscaler_open_memory(data, bytes, &options, &upscaler);
      });
    Shared owner(upscaler, tessera_upscaler_free);  // before the next allocation, which may fail
    return wrap(reinterpret_cast<PyObject*>(type), std::make_unique<Shared>(std::move(owner)));
  });
}

Ref floats(const float* numbers, int count) {
  return list_of(static_cast<size_t>(count), [&](size_t i) { return Ref(PyFloat_FromDouble(numbers[i])); });
}

PyObject* facts(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared upscaler = open_upscaler(self);
    tessera_upscaler_facts facts;
    TESSERA_INIT(&facts);
    check(tessera_upscaler_ask(upscaler.get(), &facts));
    Ref devices =
        list_of(facts.device_count, [&](size_t i) { return text(tessera_upscaler_device(upscaler.get(), i)); });
    Ref notes = list_of(facts.note_count, [&](size_t i) { return text(tessera_upscaler_note(upscaler.get(), i)); });
    const auto flag = [](int value) { return value ? Py_True : Py_False; };
    return Ref(Py_BuildValue(
        "{sNsLsisisisOsOsOsNsNsNsNsLsLsLsLsLsLsLsOsNsN}", "name", text(facts.name).release(), "scale", facts.scale,
        "channels", facts.channels, "out_channels", facts.out_channels, "dtype", static_cast<int>(facts.dtype),
        "packed", flag(facts.packed), "blue_first", flag(facts.blue_first), "linear", flag(facts.linear), "black",
        floats(facts.black, facts.channels).release(), "white", floats(facts.white, facts.channels).release(),
        "out_black", floats(facts.out_black, facts.out_channels).release(), "out_white",
        floats(facts.out_white, facts.out_channels).release(), "multiple", facts.multiple, "smallest", facts.smallest,
        "fixed_width", facts.fixed_width, "fixed_height", facts.fixed_height, "reach", facts.reach, "lattice",
        facts.lattice, "overlap", facts.overlap, "sees_all", flag(facts.sees_all), "devices", devices.release(),
        "notes", notes.release()));
  });
}

PyObject* explain(PyObject* self, PyObject*) {
  return guard([&] {
    const Shared upscaler = open_upscaler(self);
    tessera_findings* made = nullptr;
    tessera_status* status = nullptr;
    {
      const WithoutGil freely;
      status = tessera_upscaler_explain(upscaler.get(), &made);
    }
    check(status);
    const std::unique_ptr<tessera_findings, void (*)(tessera_findings*)> findings(made, tessera_findings_free);
    return list_of(tessera_findings_count(made), [&](size_t i) {
      const char *what = nullptr, *value = nullptr, *evidence = nullptr;
      check(tessera_findings_get(made, i, &what, &value, &evidence));
      return Ref(Py_BuildValue("(NNN)", text(what).release(), text(value).release(), text(evidence).release()));
    });
  });
}

PyObject* forecast(PyObject* self, PyObject* arguments) {
  return guard([&] {
    long long width = 0, height = 0;
    int channels = 0;
    if (!PyArg_ParseTuple(arguments, "LLi", &width, &height, &channels)) throw Raised();
    const Shared upscaler = open_upscaler(self);
    tessera_upscale_forecast forecast;
    TESSERA_INIT(&forecast);
    tessera_status* status = nullptr;
    {
      const WithoutGil freely;
      status = tessera_upscaler_forecast(upscaler.get(), width, height, channels, &forecast);
    }
    check(status);
    return Ref(Py_BuildValue("{sLsLsLsLsLsd}", "windows", forecast.windows, "window_width", forecast.window_width,
                             "window_height", forecast.window_height, "run_bytes", forecast.run_bytes, "weight_bytes",
                             forecast.weight_bytes, "seconds", forecast.seconds));
  });
}

// An array [height, width] or [height, width, channels], whatever its strides.
struct Picture {
  Buffer buffer;
  tessera_picture c;
  Picture(PyObject* array, bool writable)
      : buffer(array, PyBUF_STRIDES | PyBUF_FORMAT | (writable ? PyBUF_WRITABLE : 0)) {
    TESSERA_INIT(&c);
    const bool planes = buffer->ndim == 3;
    if (!planes && buffer->ndim != 2) {
      PyErr_Format(PyExc_ValueError, "a picture is [height, width] or [height, width, channels], not of rank %d",
                   buffer->ndim);
      throw Raised();
    }
    c.height = buffer->shape[0];
    c.width = buffer->shape[1];
    c.channels = planes ? static_cast<int>(buffer->shape[2]) : 1;
    c.dtype = dtype_of_format(buffer->format, buffer->itemsize);
    c.data = buffer->buf;
    // An axis of one element may have any stride, even 0, which the interface reads as the usual one.
    c.row_stride = buffer->strides[0];
    c.pixel_stride = buffer->strides[1];
    c.channel_stride = planes ? buffer->strides[2] : 0;
  }
};

// Source, result, width, height, x, y, light, cancel, progress; a dictionary.
PyObject* upscale(PyObject* self, PyObject* arguments) {
  return guard([&] {
    PyObject *from = nullptr, *to = nullptr, *cancel = nullptr, *function = nullptr;
    long long width = 0, height = 0, x = 0, y = 0;
    int light = 0;
    if (!PyArg_ParseTuple(arguments, "OOLLLLpOO", &from, &to, &width, &height, &x, &y, &light, &cancel, &function))
      throw Raised();
    const Shared upscaler = open_upscaler(self);
    Picture source(from, false), result(to, true);
    source.c.light = result.c.light = light;
    tessera_upscale_options options;
    TESSERA_INIT(&options);
    options.width = width;
    options.height = height;
    options.x = x;
    options.y = y;
    Callback progress(function);
    options.context = &progress;
    if (progress)
      options.progress = [](void* context, double done) {
        return (*static_cast<Callback*>(context))([&] { return Ref(Py_BuildValue("(d)", done)); });
      };
    std::shared_ptr<tessera_upscale_report> report;
    run_until_done(cancel, progress, [&](const tessera_cancel* wish) {
      options.cancel = wish;
      tessera_upscale_report* made = nullptr;
      tessera_status* status = tessera_upscale(upscaler.get(), &source.c, &result.c, &options, &made);
      report.reset(made, tessera_upscale_report_free);
      return status;
    });
    tessera_upscale_summary summary;
    TESSERA_INIT(&summary);
    check(tessera_upscale_report_get(report.get(), &summary));
    Ref notes =
        list_of(summary.note_count, [&](size_t i) { return text(tessera_upscale_report_note(report.get(), i)); });
    return Ref(Py_BuildValue("{sLsLsLsdsdsNsN}", "windows", summary.windows, "window_width", summary.window_width,
                             "window_height", summary.window_height, "model_seconds", summary.model_seconds, "seam",
                             summary.seam, "notes", notes.release(), "model", text(summary.model).release()));
  });
}

PyObject* get_closed(PyObject* self, void*) { return PyBool_FromLong(!of<Shared>(self)); }

PyGetSetDef properties[] = {{"closed", get_closed, nullptr, nullptr, nullptr}, {}};
PyMethodDef methods[] = {{"close", close<tessera_upscaler>, METH_NOARGS, nullptr},
                         {"facts", facts, METH_NOARGS, nullptr},
                         {"explain", explain, METH_NOARGS, nullptr},
                         {"forecast", forecast, METH_VARARGS, nullptr},
                         {"upscale", upscale, METH_VARARGS, nullptr},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Shared>)},
                       {Py_tp_new, reinterpret_cast<void*>(make_upscaler)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Upscaler", sizeof(Object<Shared>), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

void add_upscaler(PyObject* module) { (void)add_type(module, spec); }

}  // namespace tessera::python
