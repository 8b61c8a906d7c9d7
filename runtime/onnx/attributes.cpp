#include "runtime/onnx/attributes.h"

#include <algorithm>
#include <unordered_map>

namespace tessera::onnx {
namespace {

constexpr unsigned bit(AttrType type) { return 1u << static_cast<unsigned>(type); }

constexpr Text type_names[] = {"nothing",
                               "a float",
                               "an integer",
                               "a string",
                               "a tensor",
                               "a graph",
                               "a list of floats",
                               "a list of integers",
                               "a list of strings",
                               "a list of tensors",
                               "a list of graphs",
                               "a sparse tensor",
                               "a list of sparse tensors",
                               "a type",
                               "a list of types"};

struct StandardType {
  Text names;  // separated by spaces
  unsigned types;
};

// Every attribute name of ai.onnx that means one thing wherever it occurs, over all its versions.
constexpr StandardType standard_types[] = {
    {"allowzero align_corners antialias axis batch_axis batch_dims block_size blocksize broadcast ceil_mode "
     "center_point_box count_include_pad detect_negative detect_positive dtype end exclude_outside exclusive fmod "
     "group hidden_size ignore_index input_forget interleaved inverse is_case_sensitive is_causal is_test k keepdims "
     "kv_num_heads largest layout linear_before_reset max_gram_length max_skip_count maxsplit min_gram_length "
     "new_axis noop_with_empty_axes num_groups num_heads num_outputs num_scan_inputs offset_group onesided "
     "output_dtype output_height output_sequence output_width periodic q_num_heads qk_matmul_output_mode reverse "
     "rotary_embedding_dim sample_size sampling_ratio saturate select_last_index size softmax_precision sorted "
     "spatial start stash_type storage_order time_axis training_mode transA transB upper value_int",
     bit(AttrType::integer)},
    {"alpha beta clip cubic_coeff_a epsilon extrapolation_value gamma high lambd low max mean min momentum ratio "
     "scale softcap spatial_scale value_float width_scale height_scale",
     bit(AttrType::real)},
    {"activation approximate auto_pad case_change_action coordinate_transformation_mode delimiter "
     "equation keep_aspect_ratio_policy locale mode nearest_mode padding_mode pattern pixel_format reduction "
     "round_mode update_rule value_string",
     bit(AttrType::string)},
    {"axes border consumed_inputs dilations ends kernel_shape ngram_counts ngram_indexes output_padding output_shape "
     "paddings pads perm pool_int64s pooled_shape scan_input_axes scan_input_directions scan_output_axes "
     "scan_output_directions shape split starts strides value_ints",
     bit(AttrType::integers)},
    {"activation_alpha activation_beta scales value_floats", bit(AttrType::reals)},
    {"activations pool_strings stopwords value_strings", bit(AttrType::strings)},
    {"body else_branch then_branch", bit(AttrType::graph)},
    {"sparse_value", bit(AttrType::sparse_tensor)},
    {"p seed", bit(AttrType::integer) | bit(AttrType::real)},
    {"to", bit(AttrType::integer) | bit(AttrType::string)},
    {"bias", bit(AttrType::real) | bit(AttrType::reals)},
    {"direction", bit(AttrType::string)},
    {"type", bit(AttrType::type)},
    {"value", bit(AttrType::tensor) | bit(AttrType::real)},
};

const std::unordered_map<Text, unsigned>& standard_type_of() {
  static const auto map = [] {
    std::unordered_map<Text, unsigned> made;
    for (const StandardType& row : standard_types)
      for (Text rest = row.names; !rest.empty();) {
        const size_t end = std::min(rest.find(' '), rest.size());
        made.emplace(rest.substr(0, end), row.types);
        rest.remove_prefix(std::min(end + 1, rest.size()));
      }
    return made;
  }();
  return map;
}

// The types whose fields are filled.
unsigned filled_types(const proto::Attribute& a) {
  unsigned filled = 0;
  const auto note = [&](AttrType type, bool present) { filled |= present ? bit(type) : 0u; };
  note(AttrType::real, a.f.has_value());
  note(AttrType::integer, a.i.has_value());
  note(AttrType::string, a.s.has_value());
  note(AttrType::tensor, a.t != nullptr);
  note(AttrType::graph, a.g != nullptr);
  note(AttrType::reals, !a.floats.empty());
  note(AttrType::integers, !a.ints.empty());
  note(AttrType::strings, !a.strings.empty());
  note(AttrType::tensors, !a.tensors.empty());
  note(AttrType::graphs, !a.graphs.empty());
  note(AttrType::sparse_tensor, a.sparse_tensor != nullptr);
  note(AttrType::sparse_tensors, !a.sparse_tensors.empty());
  note(AttrType::type, a.tp != nullptr);
  note(AttrType::types, !a.type_protos.empty());
  return filled;
}

// Some writers fill these with zero beside the field that counts.
bool is_default(const proto::Attribute& a, AttrType type) {
  return (type == AttrType::real && *a.f == 0) || (type == AttrType::integer && *a.i == 0) ||
         (type == AttrType::string && a.s->empty());
}

}  // namespace

Text name_of(AttrType type) { return type_names[static_cast<size_t>(type)]; }

AttrType type_of(const proto::Attribute& attribute) {
  const unsigned filled = filled_types(attribute);
  if (attribute.type < 0 || attribute.type > static_cast<int>(AttrType::types))
    fail(Error::Kind::model, "attribute \"", attribute.name, "\" is of an unknown kind ", attribute.type);
  auto type = static_cast<AttrType>(attribute.type);
  if (type == AttrType::undefined) {
    if (!filled) return AttrType::integers;  // an empty list
    if (filled & (filled - 1)) fail(Error::Kind::model, "attribute \"", attribute.name, "\" does not say what it is");
    while (bit(type) != filled) type = static_cast<AttrType>(static_cast<int>(type) + 1);
    return type;
  }
  for (unsigned i = 1; i <= static_cast<unsigned>(AttrType::types); ++i) {
    const auto other = static_cast<AttrType>(i);
    if (other == type || !(filled & bit(other)) || is_default(attribute, other)) continue;
    fail(Error::Kind::model, "attribute \"", attribute.name, "\" says it is ", name_of(type), ", but holds ",
         name_of(other));
  }
  return type;
}

void check_standard_type(Text name, const proto::Attribute& attribute, AttrType type) {
  const auto row = standard_type_of().find(name);
  if (row == standard_type_of().end() || (row->second & bit(type))) return;
  constexpr unsigned lists = bit(AttrType::integers) | bit(AttrType::reals) | bit(AttrType::strings);
  if ((row->second & lists) && (bit(type) & lists) && !filled_types(attribute)) return;  // all empty lists are alike
  std::string wanted;
  for (unsigned i = 1; i <= static_cast<unsigned>(AttrType::types); ++i)
    if (row->second & (1u << i)) wanted += cat(wanted.empty() ? "" : " or ", name_of(static_cast<AttrType>(i)));
  fail(Error::Kind::model, "attribute \"", name, "\" is ", name_of(type), ", but must be ", wanted);
}

Attr value_of(const proto::Attribute& a, AttrType type, Weights& weights) {
  switch (type) {
    case AttrType::real: return a.f.value_or(0.0f);
    case AttrType::integer: return a.i.value_or(0);
    case AttrType::string: return std::string(a.s.value_or(Text{}));
    case AttrType::reals: return a.floats.values();
    case AttrType::integers: return a.ints.values();
    case AttrType::strings: return std::vector<std::string>(a.strings.begin(), a.strings.end());
    case AttrType::type: return a.tp ? text_of(*a.tp) : std::string();
    case AttrType::tensor:
      if (a.t) return weights.dense(*a.t);
      break;
    case AttrType::sparse_tensor:
      if (a.sparse_tensor) return weights.sparse(*a.sparse_tensor);
      break;
    default:
      fail(Error::Kind::unsupported, "attribute \"", a.name, "\" is ", name_of(type),
           ", which no operator of tessera takes");
  }
  fail(Error::Kind::model, "attribute \"", a.name, "\" says it is ", name_of(type), ", but holds none");
}

Tensor constant_of(const Attr& value) {
  const auto list = [](const auto& values, DType dtype, bool scalar) {
    Tensor tensor = Tensor::make({dtype, scalar ? Shape{} : Shape{static_cast<int64_t>(values.size())}});
    using Element = std::decay_t<decltype(values[0])>;
    std::copy(values.begin(), values.end(), tensor.as<Element>());
    return tensor;
  };
  return std::visit(
      [&]<class T>(const T& v) -> Tensor {
        if constexpr (std::is_same_v<T, Tensor>) return v;
        if constexpr (std::is_same_v<T, int64_t>) return Tensor::scalar(v);
        if constexpr (std::is_same_v<T, float>) return list(List<float>(&v, 1), DType::float32, true);
        if constexpr (std::is_same_v<T, std::string>) return list(List<std::string>(&v, 1), DType::string, true);
        if constexpr (std::is_same_v<T, std::vector<int64_t>>) return list(v, DType::int64, false);
        if constexpr (std::is_same_v<T, std::vector<float>>) return list(v, DType::float32, false);
        if constexpr (std::is_same_v<T, std::vector<std::string>>) return list(v, DType::string, false);
        fail(Error::Kind::model, "a constant cannot be a graph");
      },
      value);
}

std::string text_of(const proto::Type& type) {
  const auto element = [](const std::unique_ptr<proto::Type>& inner) { return inner ? text_of(*inner) : "?"; };
  switch (type.value.index()) {
    case proto::Type::tensor:
      return cat("tensor(", tessera::name_of(dtype_of(std::get<proto::Type::tensor>(type.value)->elem_type)), ")");
    case proto::Type::sparse_tensor:
      return cat("sparse_tensor(",
                 tessera::name_of(dtype_of(std::get<proto::Type::sparse_tensor>(type.value)->elem_type)), ")");
    case proto::Type::sequence:
      return cat("seq(", element(std::get<proto::Type::sequence>(type.value)->elem_type), ")");
    case proto::Type::optional:
      return cat("optional(", element(std::get<proto::Type::optional>(type.value)->elem_type), ")");
    case proto::Type::map: {
      const proto::MapType& map = *std::get<proto::Type::map>(type.value);
      return cat("map(", tessera::name_of(dtype_of(map.key_type)), ",", element(map.value_type), ")");
    }
    default: return "?";
  }
}

}  // namespace tessera::onnx
