#include "value.h"

namespace tessera::python {
namespace {

PyObject* value_type = nullptr;

Value own(tessera_value* value) { return {value, tessera_value_free}; }

template <class Get>
Value made_by(Get get) {
  tessera_value* made = nullptr;
  check(get(&made));
  return own(made);
}

// What a list's items refer to; one that is no value is an error.
std::vector<const tessera_value*> values_of(PyObject* list) {
  std::vector<const tessera_value*> all;
  for (PyObject* item : items_of(list)) {
    all.push_back(value_of(item));
    if (!all.back()) raise(TESSERA_INTERNAL, "a value is due");
  }
  return all;
}

// Texts or bytes, shape.
PyObject* strings(PyObject*, PyObject* arguments) {
  return guard([&] {
    PyObject *list = nullptr, *shape = nullptr;
    if (!PyArg_ParseTuple(arguments, "OO", &list, &shape)) throw Raised();
    std::vector<Ref> held;
    std::vector<const char*> texts;
    std::vector<size_t> lengths;
    for (PyObject* item : items_of(list)) {
      held.push_back(PyBytes_Check(item) ? Ref::share(item)
                                         : Ref(PyUnicode_AsEncodedString(item, "utf-8", "surrogateescape")));
      char* bytes = nullptr;
      Py_ssize_t length = 0;
      check_python(PyBytes_AsStringAndSize(held.back().get(), &bytes, &length));
      texts.push_back(bytes);
      lengths.push_back(static_cast<size_t>(length));
    }
    const std::vector<int64_t> dims = numbers_of(shape);
    size_t count = 1;
    for (const int64_t extent : dims) count *= static_cast<size_t>(extent);
    if (count != texts.size()) raise(TESSERA_SHAPE, "strings do not fill their shape");
    return wrap_value(made_by([&](tessera_value** value) {
      return tessera_value_create_strings(texts.data(), lengths.data(), dims.data(), dims.size(), value);
    }));
  });
}

PyObject* dense(PyObject*, PyObject* object) {
  return guard([&] { return wrap(value_type, std::make_unique<Value>(value_around(object))); });
}

// Number of the items' dtype, values.
PyObject* sequence(PyObject*, PyObject* arguments) {
  return guard([&] {
    int number = 0;
    PyObject* list = nullptr;
    if (!PyArg_ParseTuple(arguments, "iO", &number, &list)) throw Raised();
    const std::vector<const tessera_value*> items = values_of(list);
    return wrap_value(made_by([&](tessera_value** value) {
      return tessera_value_create_sequence(static_cast<tessera_dtype>(number), items.data(), items.size(), value);
    }));
  });
}

PyObject* optional(PyObject*, PyObject* item) {
  return guard([&] {
    return wrap_value(
        made_by([&](tessera_value** value) { return tessera_value_create_optional(value_of(item), value); }));
  });
}

// Keys, values.
PyObject* map(PyObject*, PyObject* arguments) {
  return guard([&] {
    PyObject *keys = nullptr, *values = nullptr;
    if (!PyArg_ParseTuple(arguments, "OO", &keys, &values)) throw Raised();
    return wrap_value(made_by(
        [&](tessera_value** value) { return tessera_value_create_map(value_of(keys), value_of(values), value); }));
  });
}

PyObject* get_kind(PyObject* self, void*) { return PyLong_FromLong(tessera_value_kind(of<Value>(self).get())); }
PyObject* get_number(PyObject* self, void*) { return PyLong_FromLong(tessera_value_dtype(of<Value>(self).get())); }
PyObject* get_shape(PyObject* self, void*) {
  return guard([&] {
    tessera_tensor tensor;
    check(tessera_value_tensor(of<Value>(self).get(), &tensor));
    return tuple_of({tensor.dims, tensor.rank});
  });
}

// Elements of a tensor of strings.
PyObject* texts(PyObject* self, PyObject*) {
  return guard([&] {
    const tessera_value* value = of<Value>(self).get();
    return list_of(tessera_value_count(value), [&](size_t i) {
      const char* text = nullptr;
      size_t length = 0;
      check(tessera_value_string(value, i, &text, &length));
      return Ref(PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(length), "surrogateescape"));
    });
  });
}

// Of a sequence, or of an optional: none or one.
PyObject* items(PyObject* self, PyObject*) {
  return guard([&] {
    const tessera_value* value = of<Value>(self).get();
    return list_of(tessera_value_count(value), [&](size_t i) {
      return wrap_value(made_by([&](tessera_value** item) { return tessera_value_item(value, i, item); }));
    });
  });
}

// (keys, values) of a map.
PyObject* entries(PyObject* self, PyObject*) {
  return guard([&] {
    const tessera_value* value = of<Value>(self).get();
    Ref keys = wrap_value(made_by([&](tessera_value** all) { return tessera_value_keys(value, all); }));
    Ref values = wrap_value(made_by([&](tessera_value** all) { return tessera_value_values(value, all); }));
    return Ref(Py_BuildValue("(NN)", keys.release(), values.release()));
  });
}

PyGetSetDef properties[] = {{"kind", get_kind, nullptr, nullptr, nullptr},
                            {"number", get_number, nullptr, nullptr, nullptr},
                            {"shape", get_shape, nullptr, nullptr, nullptr},
                            {}};
PyMethodDef methods[] = {{"texts", texts, METH_NOARGS, nullptr},
                         {"items", items, METH_NOARGS, nullptr},
                         {"entries", entries, METH_NOARGS, nullptr},
                         {}};
PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(deallocate<Value>)},
                       {Py_tp_getset, properties},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"tessera._core.Value", sizeof(Object<Value>), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
PyMethodDef functions[] = {{"strings", strings, METH_VARARGS, nullptr},   {"dense", dense, METH_O, nullptr},
                           {"sequence", sequence, METH_VARARGS, nullptr}, {"optional", optional, METH_O, nullptr},
                           {"map", map, METH_VARARGS, nullptr},           {}};

// What a value around Python's memory refers to.
struct Keeper {
  Ref object;
  Given given;
};

}  // namespace

const tessera_value* value_of(PyObject* object) {
  return Py_TYPE(object) == reinterpret_cast<PyTypeObject*>(value_type) ? of<Value>(object).get() : nullptr;
}

Value value_around(PyObject* object) {
  auto keeper = std::make_unique<Keeper>(Keeper{Ref::share(object), Given(object)});
  const tessera_tensor tensor = keeper->given.c();
  Value value = made_by([&](tessera_value** made) {
    return tessera_value_create_around(
        &tensor,
        [](void* context) {
          const WithGil locked;
          delete static_cast<Keeper*>(context);
        },
        keeper.get(), made);
  });
  (void)keeper.release();
  return value;
}

Ref wrap_value(Value value) {
  if (tessera_value_kind(value.get()) == TESSERA_TENSOR && tessera_value_dtype(value.get()) != TESSERA_STRING) {
    tessera_tensor tensor;
    check(tessera_value_tensor(value.get(), &tensor));
    return wrap_tensor(tensor, std::move(value), true);
  }
  return wrap(value_type, std::make_unique<Value>(std::move(value)));
}

void add_values(PyObject* module) {
  value_type = add_type(module, spec).release();
  add_functions(module, functions);
}

}  // namespace tessera::python
