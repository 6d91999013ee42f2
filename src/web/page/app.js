"use strict";
new EventSource("/api/v1/events").addEventListener("status", (event) => {
  document.getElementById("app").textContent = event.data;
});
