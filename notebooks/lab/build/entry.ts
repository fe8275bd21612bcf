/** @file The program of the page. */
import { mount } from "../page/index.tsx";
import { contents } from "./contents.ts";

mount(document.getElementById("lab")!, contents());
