/** @file The program of the page. */
import { contents } from "./contents.ts";
import { mount } from "./stub.tsx";

mount(document.getElementById("lab")!, contents());
