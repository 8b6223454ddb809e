"""Ordinary lines: nothing in them is sensitive. A recognizer that fires here fires everywhere."""

_LINES = """
Could you please summarise the main points of the meeting in five short bullet points?
Thank you for the quick reply; I will get back to you after lunch.
The weather will be mostly cloudy tomorrow, with a light breeze from the west.
What is the difference between a list and a tuple, and when should I use which?
Please translate the following paragraph into French and keep the tone friendly.
We moved the release to Thursday, because two of the tests still fail on the new server.
I think the second paragraph is too long. Could you cut it by a third?
Write a short poem about the sea in the style of an old sailor's song.
The train leaves at 8:15 and arrives at 10:40, platform 3.
She opened the window, looked at the garden and smiled.
How many litres of paint do I need for a room of 4 by 5 metres?
Our revenue grew by 12% in 2024 and by 9% in 2023.
The committee will meet again on 14 March to discuss the remaining three proposals.
Explain the theory of relativity to a ten-year-old child.
Give me ten ideas for a birthday party with a small budget.
The patch fixes a race condition that showed up once in about 200 runs.
Add two eggs, 250 g of flour and a pinch of salt, then stir until smooth.
Is there a way to make this query faster without changing the schema?
The old bridge was built in 1887 and restored twice since then.
Section 4.2 describes how the measurements were taken, and Table 7 lists the results.
Draft a polite e-mail that declines the invitation and proposes another date.
He scored three goals in the first half and none in the second.
It was raining all day long, so we stayed at home and played cards.
Please check the spelling of this text and list every correction that you made.
The museum is open from Tuesday to Sunday, 10 to 18 o'clock; admission is free on Fridays.
Can you recommend a good book about the history of mathematics?
The new version is about 40 percent smaller and starts twice as fast.
Nobody noticed that the lights had gone out until the music stopped.
Compare the advantages and disadvantages of working from home.
Sales of electric bicycles have doubled within two years, according to the report.
Rewrite the introduction so that it is easier to understand for beginners.
There are 24 time zones, and some of them are off by half an hour.
The cat sat on the mat, and the dog watched it from the door.
I would like to know which of these three options costs the least in the long run.
Water boils at 100 degrees Celsius at sea level.
What would be a fair price for a used bicycle in good condition?
The author argues that cities should be planned around people, not cars.
Let's meet at the usual place at half past six.
The function returns the first element that satisfies the condition, or nothing.
Make a table with three columns: country, capital and population in millions.
The lecture lasts 90 minutes, including a break of 10 minutes.
Our support team answers within two working days.
Which of the following sentences are in the passive voice?
The sample contained 48 students from six schools in two districts.
Turn the following notes into a well-structured report of about two pages.
The recipe serves four people and takes about 35 minutes.
In the end, everyone agreed that the first draft was the best one.
The engine is quieter than before, but it also uses a little more fuel.
Try turning it off and on again before you call the help desk.
The path follows the river for 7 km and then climbs to the ridge.
Please remember to water the plants while we are away.
The bakery on the corner sells the best bread in town.
A good summary mentions the goal, the method, the result and what remains open.
Chapter 11 is about trees, chapter 12 about graphs.
He learned to play the piano when he was forty years old.
Let x be the number of apples and y the number of pears; then x + y = 17.
The garden is 20 m long and 12 m wide, so its area is 240 square metres.
Version 2.1.0 drops support for older browsers.
We have tried three approaches so far; none of them was fast enough.
The shop was closed, so we bought the flowers at the station.
Könnten Sie mir bitte die wichtigsten Punkte kurz zusammenfassen?
Vielen Dank für die schnelle Antwort, ich melde mich morgen wieder.
Das Treffen wurde auf Donnerstag verschoben, weil der Saal belegt ist.
Wie viele Einwohner hat die größte Stadt des Landes?
Der Zug fährt um 9:20 Uhr ab und kommt gegen Mittag an.
Bitte übersetze den folgenden Absatz ins Englische.
Im Jahr 2022 stieg der Umsatz um 8 Prozent.
Schreibe eine kurze Geschichte über einen Bären, der tanzen lernt.
Die Sitzung beginnt um 14 Uhr im großen Saal.
Erkläre mir den Unterschied zwischen Wetter und Klima.
Für den Teig braucht man 300 g Mehl, 2 Eier und etwas Milch.
Der Bericht hat 42 Seiten und drei Anhänge.
Welche Vorteile hat die neue Fassung gegenüber der alten?
Am Abend gingen wir noch einmal hinunter zum See.
Pourriez-vous résumer ce texte en trois phrases ?
Merci beaucoup pour votre réponse rapide.
La réunion est reportée à jeudi prochain à 10 h 30.
Quelle est la différence entre ces deux méthodes ?
Le musée est ouvert tous les jours sauf le lundi.
Il a plu toute la journée, nous sommes donc restés à la maison.
Le chiffre d'affaires a augmenté de 5 % en 2023.
Expliquez-moi comment fonctionne un moteur électrique.
¿Podría resumir los puntos principales de la reunión?
Muchas gracias por su ayuda, ha sido muy útil.
El tren sale a las 7:45 y llega a mediodía.
¿Cuál es la mejor época del año para visitar las montañas?
La receta es para cuatro personas y se prepara en media hora.
Potresti riassumere il testo in poche righe, per favore?
Il museo è aperto dal martedì alla domenica.
Grazie mille per la risposta, ci sentiamo domani.
Kunt u deze tekst alstublieft in drie zinnen samenvatten?
De vergadering is verplaatst naar volgende week donderdag.
Czy możesz krótko podsumować ten tekst?
Можете ли вы кратко изложить этот текст?
Поезд отправляется в 8:15 и прибывает около полудня.
请用三句话总结这篇文章。
会議は来週の木曜日に延期されました。
이 글을 세 문장으로 요약해 주세요.
هل يمكنك تلخيص هذا النص؟
def add(a, b): return a + b
for item in items: total += item.price * item.count
if (error != null) { throw new IllegalStateException("not ready"); }
const names = people.map((person) => person.name).sort();
SELECT name, count(*) FROM visits GROUP BY name ORDER BY 2 DESC LIMIT 10;
import json
from dataclasses import dataclass
return self._cache.get(key, default)
git commit -m "docs: Say how to start it."
The command prints usage and exits with status 2.
docker compose up -d --build
pip install -r requirements.txt
<p class="intro">Welcome to our page!</p>
{"name": "demo", "enabled": true, "retries": 3, "timeout_s": 2.5}
name,colour,size,price
apple,red,small,1.20
melon,green,large,3.80
INFO started in 0.42 s, listening on port 8080
WARN the cache is 91% full, dropping the oldest 1000 entries
ERROR could not open the file: permission denied
step 3 of 12: resolving dependencies
| month | visitors | change |
| May | 1,204 | +3.1% |
## How to contribute
- [ ] write the tests first
1. Open the settings. 2. Choose a language. 3. Save.
See https://example.com/docs/getting-started#install for the details.
The file src/main/index.html has 312 lines.
Deadline: 30 September, 17:00.
ISO 9001 and ISO 14001 are standards for management.
HTTP 404 means that the page was not found; HTTP 503 that the service is not available.
The model has 7 billion parameters and a context of 8192 units.
Boeing 747, Airbus A320 and the Concorde are well-known aeroplanes.
Pages 110-125 are missing in our copy of the 2nd edition.
The lamp needs 12 V, and at most 0.5 A.
The result was 0.8312 with the old and 0.8377 with the new settings.
Room B-204 is on the second floor, next to the stairs.
You are a helpful assistant that answers briefly and politely.
Answer with yes or no only.
Think step by step, then give the final answer on a line of its own.
""".strip()

ORDINARY_LINES: tuple[str, ...] = tuple(_LINES.split("\n"))
