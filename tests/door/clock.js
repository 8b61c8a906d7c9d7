// What a program's work took: processor time in milliseconds, to be told on standard error.
exports.clocked = async (work) => {
  const begin = process.cpuUsage();
  await work();
  const used = process.cpuUsage(begin);
  console.error(JSON.stringify({ cpu_ms: (used.user + used.system) / 1000 }));
};
