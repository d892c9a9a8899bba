import { installMethods, type Tensor } from '../tensor/tensor.js';

/** The functions of a module that tell their form as a method, as methods with their doc comments. */
export type MethodsOf<Module> = {
  [K in keyof Module as Module[K] extends { readonly method?: unknown } ? K : never]: Module[K] extends {
    readonly method?: infer M;
  }
    ? NonNullable<M>
    : never;
};

/** Makes a function a method of its first tensor. */
export function installMethod(name: string, f: (x: Tensor, other: any) => unknown): void {
  installMethods({
    [name](this: Tensor, other: unknown) {
      return f(this, other);
    },
  });
}

/** A function of a tensor and of one argument more, which has its name and is a method too. */
export function withMethod(name: string, f: (x: Tensor, other?: any) => unknown): never {
  installMethod(name, f);
  return Object.defineProperty(f, 'name', { value: name }) as never;
}
