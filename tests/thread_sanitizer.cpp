// What ThreadSanitizer must not report: libraries that were not built with it hide their own locks from it.

extern "C" const char* __tsan_default_suppressions();

extern "C" const char* __tsan_default_suppressions() {
  return "race:libVkLayer_khronos_validation.so\n"
         "deadlock:libVkLayer_khronos_validation.so\n"
         "race:libvulkan_lvp.so\n"
         "deadlock:libvulkan_lvp.so\n";
}
