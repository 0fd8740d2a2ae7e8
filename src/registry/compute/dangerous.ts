// Which imports of a pickle could run a command, read or write a file, or talk to the network when it is loaded.

/** With all that is in them, their submodules included. */
const MODULES = new Set([
  "_ctypes",
  "_io",
  "_pickle",
  "_posixsubprocess",
  "_socket",
  "aiohttp",
  "asyncio",
  "bdb",
  "cPickle",
  "cloudpickle",
  "code",
  "codecs",
  "codeop",
  "commands",
  "ctypes",
  "dill",
  "ftplib",
  "http",
  "httplib",
  "importlib",
  "imp",
  "io",
  "joblib",
  "marshal",
  "multiprocessing",
  "nt",
  "os",
  "pathlib",
  "pdb",
  "pickle",
  "pip",
  "pkgutil",
  "popen2",
  "posix",
  "profile",
  "cProfile",
  "pty",
  "pydoc",
  "requests",
  "runpy",
  "shelve",
  "shutil",
  "signal",
  "smtplib",
  "socket",
  "ssl",
  "subprocess",
  "sys",
  "telnetlib",
  "tempfile",
  "threading",
  "timeit",
  "trace",
  "urllib",
  "urllib2",
  "venv",
  "webbrowser",
  "zipimport",
  "distutils.file_util",
  "numpy.f2py",
  "numpy.testing",
  "torch.hub",
  "torch.utils.collect_env",
]);

const BUILTINS = [
  "__import__",
  "apply",
  "breakpoint",
  "compile",
  "delattr",
  "eval",
  "exec",
  "execfile",
  "file",
  "getattr",
  "globals",
  "input",
  "locals",
  "open",
  "setattr",
  "vars",
];

/** Single names of modules that are harmless otherwise. */
const NAMES = new Set([
  ...["builtins", "__builtin__", "__builtins__"].flatMap((module) =>
    BUILTINS.map((name) => `${module}.${name}`),
  ),
  "functools.partial",
  "functools.reduce",
  "operator.attrgetter",
  "operator.itemgetter",
  "operator.methodcaller",
  "types.CodeType",
  "types.FunctionType",
  "numpy.load",
  "numpy.loadtxt",
  "numpy.fromfile",
  "pandas.read_pickle",
  "torch.load",
  "torch.serialization.load",
  "doctest.debug_script",
  "ensurepip._run_pip",
]);

/** A name that is not known counts as dangerous: honest pickles have no reason to hide one. */
export function isDangerous(module: string, name: string): boolean {
  if (module === "unknown" || name === "unknown") return true;
  // "os" with "path.join" is written by some picklers, "os.path" with "join" by others.
  const parts = module.split(".");
  const parents = parts.map((_, index) => parts.slice(0, index + 1).join("."));
  // "eval.__call__" is as good as "eval".
  const first = name.split(".", 1)[0] ?? name;
  return parents.some((parent) => MODULES.has(parent)) || NAMES.has(`${module}.${first}`);
}
