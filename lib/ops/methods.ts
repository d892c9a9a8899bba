import { installMethods, type Tensor } from '../tensor/tensor.js';

/** The functions of a module that tell their form as a method, as methods with their doc comments. */
export type MethodsOf<Module> = {
  [K in keyof Module as Module[K] extends { readonly method?: unknown } ? K : never]: Module[K] extends {
    readonly method?: infer M;
  }
    ? NonNullable<M>
    : never;
};

/** Functions of a tensor whose types have no parameters of their own, as methods with their doc comments. */
export type AsMethods<Module, K extends keyof Module> = {
  [N in K]: Module[N] extends (x: Tensor, ...rest: infer R) => infer O ? (...rest: R) => O : never;
};

/** Makes functions of a tensor, and of up to two arguments more, its methods by their names. */
export function installFunctions(functions: Readonly<Record<string, (x: never, a: never, b: never) => unknown>>): void {
  for (const [name, f] of Object.entries(functions)) {
    installMethods({
      [name](this: Tensor, a: unknown, b: unknown) {
        return f(this as never, a as never, b as never);
      },
    });
  }
}

/** A function of a tensor and of one argument more, which has its name and is a method too. */
export function withMethod(name: string, f: (x: Tensor, other?: any) => unknown): never {
  installFunctions({ [name]: f });
  return Object.defineProperty(f, 'name', { value: name }) as never;
}
